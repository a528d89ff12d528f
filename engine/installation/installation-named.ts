import { MillraceError } from '../errors/millrace-error.ts';
import {
  DEFAULT_INSTALLATION,
  INSTALLATION_NAME,
  type InstallationNames,
  installationNames,
  isInstallationName,
} from './installation-names.ts';

/**
 * The names of the installation that a program means: the one it gives, else MILLRACE_INSTALLATION, else the default one. Throws MillraceError
 * `bad-configuration` for what is no name.
 *
 * @example
 * installationNamed('blue').servedTopic; // 'millrace.blue.served'
 */
export function installationNamed(given?: string): InstallationNames {
  const variable = process.env['MILLRACE_INSTALLATION'];
  const name = given ?? (variable === undefined || variable === '' ? DEFAULT_INSTALLATION : variable);
  if (isInstallationName(name)) return installationNames(name);
  throw new MillraceError(
    'bad-configuration',
    `the name of the installation: received ${JSON.stringify(name)}, expected ${INSTALLATION_NAME}`,
    { remedy: 'Correct "installation", or MILLRACE_INSTALLATION.', httpStatus: 500 },
  );
}
