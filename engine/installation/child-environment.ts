/** What any program may need to run, and which is no secret: where things are, in which language and time zone. */
const PLAIN =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|TMP|TEMP|TZ|LANG|LANGUAGE|LC_\w+|JAVA_HOME|LD_LIBRARY_PATH|DYLD_\w+|XDG_\w+|SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS)$/;

/** What else fetches and builds may need: the way to the network, which may hold a password of a proxy, and the settings of Maven and Go. */
const FETCHING =
  /^(?:(?:HTTP|HTTPS|ALL|NO|FTP)_PROXY|(?:http|https|all|no|ftp)_proxy|JAVA_TOOL_OPTIONS|MAVEN_\w+|M2_HOME|GO[A-Z0-9]+|CGO_\w+|CC|GIT_\w+|NIX_SSL_CERT_FILE)$/;

/**
 * The environment of a program that this one starts: what is named here, and `more`. Passwords, keys and tokens (`DATABASE_URL`, `KAFKA_SASL_PASSWORD`,
 * `TEMPORAL_API_KEY`, those of a cloud, whatever else there is) stay here. A worker of `millrace dev` is this very program, and gets all of it.
 *
 * @param variables ours; default the process's
 * @param task `fetch`: of what downloads or builds the local services
 * @example
 * spawn(java, args, { env: childEnvironment(env.variables) });
 */
export function childEnvironment(
  variables: NodeJS.ProcessEnv = process.env,
  more: NodeJS.ProcessEnv = {},
  task: 'run' | 'fetch' = 'run',
): NodeJS.ProcessEnv {
  const passed = Object.entries(variables).filter(
    ([name]) => PLAIN.test(name) || (task === 'fetch' && FETCHING.test(name)),
  );
  return { ...Object.fromEntries(passed), ...more };
}
