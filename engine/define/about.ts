import { describeReceived } from '../values/describe-received.ts';
import type { ReportFault } from './definition-fault.ts';

/** What people are told of a definition. It changes no value, no tag and no fingerprint. */
export interface About {
  /** What it is, in a sentence or some. At most 2,000 characters. */
  readonly description?: string | undefined;
  /** Whom to ask: a team or a person. At most 200 characters. */
  readonly owner?: string | undefined;
  /** Words to find it by: at most 20, of at most 50 characters. */
  readonly tags?: readonly string[] | undefined;
}

/** The kinds of definitions that are told of. */
export type AboutKind = 'entity' | 'source' | 'feature view' | 'feature service' | 'label set';

/** What is told of definitions, by `aboutKey`. */
export type Abouts = ReadonlyMap<string, About>;

const MOST_CHARS = { description: 2_000, owner: 200 } as const;
const MOST_TAGS = 20;
const MOST_TAG_CHARS = 50;

/** What `Abouts` has a definition under. */
export function aboutKey(kind: AboutKind, name: string): string {
  return `${kind} ${name}`;
}

/** Of options what is told of their definition; undefined: nothing is. */
export function aboutOf(options: About): About | undefined {
  const { description, owner, tags } = options;
  return description === undefined && owner === undefined && tags === undefined
    ? undefined
    : { description, owner, tags };
}

/** Reports what of it is no text, or too much (`invalid-about`). */
export function checkAbout(about: About | undefined, report: ReportFault): void {
  for (const part of ['description', 'owner'] as const) {
    const given: unknown = about?.[part];
    if (given === undefined || (typeof given === 'string' && given.length <= MOST_CHARS[part])) continue;
    const received = typeof given === 'string' ? `${given.length} characters` : describeReceived(given);
    const expected = `a text of at most ${MOST_CHARS[part]} characters`;
    report('invalid-about', part, `expected ${expected}, received ${received}`, `Write ${part}: '...', or shorten it.`);
  }
  const tags: unknown = about?.tags;
  if (tags === undefined) return;
  const isTag = (tag: unknown): boolean => typeof tag === 'string' && tag !== '' && tag.length <= MOST_TAG_CHARS;
  if (Array.isArray(tags) && tags.length <= MOST_TAGS && tags.every(isTag)) return;
  const expected = `at most ${MOST_TAGS} texts of 1 to ${MOST_TAG_CHARS} characters`;
  report('invalid-about', 'tags', `expected ${expected}, received ${describeReceived(tags)}`, "Write tags: ['...'].");
}
