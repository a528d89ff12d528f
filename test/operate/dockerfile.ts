/** An instruction of a Dockerfile. */
interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** A stage of a Dockerfile, as far as a test can do it in folders. */
export interface Stage {
  readonly name: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly copies: readonly { readonly from: string | null; readonly paths: readonly string[]; readonly to: string }[];
  readonly runs: readonly string[];
  readonly entrypoint: readonly string[];
  readonly healthcheck: readonly string[];
}

/** The stages of a Dockerfile, in order. Throws on an instruction it does not know: what is not done is not tested. */
export function stagesOf(text: string): Stage[] {
  const stages: Instruction[][] = [];
  for (const instruction of instructionsOf(text)) {
    if (instruction.name === 'FROM') stages.push([]);
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`${instruction.name} before FROM`);
    stage.push(instruction);
  }
  return stages.map(stageOf);
}

function instructionsOf(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [name = '', ...rest] = line.trim().split(/\s+/);
      return { name, rest: rest.join(' ') };
    });
}

const LEFT_ASIDE = ['FROM', 'WORKDIR', 'USER', 'EXPOSE', 'CMD'];

function stageOf(instructions: readonly Instruction[]): Stage {
  const all = (name: string): string[] => instructions.filter((one) => one.name === name).map(({ rest }) => rest);
  const known = [...LEFT_ASIDE, 'ENV', 'COPY', 'RUN', 'ENTRYPOINT', 'HEALTHCHECK'];
  const unknown = instructions.find(({ name }) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown.name} is not done`);
  const list = (text: string | undefined): string[] =>
    text === undefined ? [] : (JSON.parse(text.slice(text.indexOf('['))) as string[]);
  return {
    name: / AS (\w+)$/.exec(all('FROM')[0] ?? '')?.[1] ?? null,
    env: Object.fromEntries(
      all('ENV').flatMap((rest) => rest.split(' ').map((pair) => pair.split('=') as [string, string])),
    ),
    copies: all('COPY').map((rest) => {
      const words = rest.split(' ');
      const from = /^--from=(\w+)$/.exec(words[0] ?? '')?.[1] ?? null;
      const paths = words.slice(from === null ? 0 : 1, -1);
      return { from, paths, to: words.at(-1) ?? '' };
    }),
    runs: all('RUN'),
    entrypoint: list(all('ENTRYPOINT')[0]),
    healthcheck: list(all('HEALTHCHECK')[0]),
  };
}
