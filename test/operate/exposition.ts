interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Labels that the SDK puts on what activities tell, ours included. */
const OF_SDK = ['service_name', 'namespace', 'taskQueue', 'activityType'];

/** What a scrape says. */
export class Families {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  /** The sum of the samples that have these labels; undefined where there are none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.#samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + sample.value, 0);
  }

  has(name: string): boolean {
    return this.#samples.some((sample) => sample.name === name);
  }

  /** Millrace's, each with the labels it has beside those that stand on all. */
  ours(): { readonly name: string; readonly labels: readonly string[] }[] {
    return this.#samples
      .filter(({ name }) => name.startsWith('millrace_'))
      .map(({ name, labels }) => {
        const isHistogram = 'le' in labels || /_(?:sum|count)$/.test(name);
        return {
          name: isHistogram ? name.replace(/_(?:bucket|sum|count)$/, '') : name,
          labels: Object.keys(labels).filter((label) => label !== 'le' && !OF_SDK.includes(label)),
        };
      });
  }
}

/** Reads Prometheus' text format. Throws on a line that is none. */
export function familiesOf(text: string): Families {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Families(lines.map(sampleOf));
}

function sampleOf(line: string): Sample {
  const match = /^(\w+)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  const [, name = '', labels = '', value = ''] = match;
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text] as const);
  return { name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) };
}
