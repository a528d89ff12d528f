/** Variables whose value is nothing but a secret. */
const SECRET = /PASSWORD$|(?:API|SENSITIVE)_KEY$|_KEY_DATA$|^TEMPORAL_GRPC_META_|_WEBHOOKS$/;

/** A variable's value as an error may show it; null where it is not set. */
export function shown(variable: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  return SECRET.test(variable) ? '***' : masked(value);
}

/**
 * A URL, or what was meant as one, without the secrets that may stand in it: what is wrong is shown too, so this parses nothing, and rather
 * takes too much for a secret.
 *
 * @example
 * masked('postgres://me:secret@host/db?password=more'); // 'postgres://me:***@host/db?password=***'
 */
export function masked(text: string): string {
  const named = /^([a-z][a-z0-9+.-]*:\/\/[^:@/]*:)[^]*@/i;
  const open = named.test(text)
    ? text.replace(named, '$1***@')
    : text.replace(/^([a-z][a-z0-9+.-]*:\/+)?[^]*@/i, '$1***@');
  return (
    open
      .replaceAll(/([?&;][^=&;]*(?:pass|secret|token|key)[^=&;]*=)[^&;]*/gi, '$1***')
      // A password whose "@" was forgotten stands where a port would.
      .replace(/^([a-z][a-z0-9+.-]*:\/+[^/:?#@]*:)(?!\*\*\*@)(?!\d*(?:[/?#,]|$))[^/?#]*/i, '$1***')
  );
}
