import { workflowInfo } from '@temporalio/workflow';
import { type InstallationNames, installationOfQueue } from '../engine/installation/installation-names.ts';

/** The names of the installation whose workflow this is: its task queue says so, in every run and replay alike. */
export function ownInstallation(): InstallationNames {
  return installationOfQueue(workflowInfo().taskQueue);
}
