/**
 * Adds to package-lock.json the optional packages for other platforms that the registry at hand could not give when the file was made.
 * npm leaves them out silently, and `npm ci` then refuses the file. Run it after `npm install` has changed the lockfile.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Package {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lockfile {
  packages: Record<string, Package>;
}

const OS: readonly string[] = ['linux', 'darwin', 'win32', 'android', 'freebsd', 'openharmony'];
const CPU: Readonly<Record<string, string>> = {
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
};

/** The platform a binary package's name speaks of, e.g. `@swc/core-linux-arm64-musl`. */
function platformOf(name: string): Pick<Package, 'os' | 'cpu' | 'libc'> | null {
  const words = name.split('/').at(-1)?.split('-') ?? [];
  const os = words.find((word) => OS.includes(word));
  const cpu = words.map((word) => CPU[word]).find((word) => word !== undefined);
  if (os === undefined || cpu === undefined) return null;
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined;
  return { os: [os], cpu: [cpu], ...(os === 'linux' && libc !== undefined ? { libc: [libc] } : {}) };
}

const path = new URL('../package-lock.json', import.meta.url);
const lockfile = JSON.parse(readFileSync(path, 'utf8')) as Lockfile;
const added: string[] = [];
for (const [place, owner] of Object.entries(lockfile.packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    const known = [`node_modules/${name}`, `${place}/node_modules/${name}`].some((at) => at in lockfile.packages);
    const platform = platformOf(name);
    if (known || platform === null) continue;
    lockfile.packages[`node_modules/${name}`] = {
      version,
      ...(owner.dev === true ? { dev: true } : {}),
      optional: true,
      ...platform,
    };
    added.push(`${name}@${version}`);
  }
}
const root = lockfile.packages[''];
const rest = Object.entries(lockfile.packages).filter(([place]) => place !== '');
rest.sort(([a], [b]) => (a < b ? -1 : 1));
lockfile.packages = { ...(root === undefined ? {} : { '': root }), ...Object.fromEntries(rest) };
writeFileSync(path, `${JSON.stringify(lockfile, null, 2)}\n`);
process.stdout.write(`${added.length} optional packages added\n`);
