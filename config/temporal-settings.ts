import type { ConnectionOptions } from '@temporalio/client';

/** Where a Temporal is and how to connect to it. */
export interface TemporalSettings {
  /** `host:port` */
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string;
  readonly tls?: NonNullable<ConnectionOptions['tls']>;
  readonly apiKey?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The options for both `Connection.connect` and `NativeConnection.connect`.
 *
 * @example
 * const connection = await Connection.connect(temporalConnectionOptions(stack.temporal));
 */
export function temporalConnectionOptions(settings: TemporalSettings): {
  address: string;
  tls?: NonNullable<ConnectionOptions['tls']>;
  apiKey?: string;
  metadata?: Record<string, string>;
} {
  return {
    address: settings.address,
    ...(settings.tls === undefined ? {} : { tls: settings.tls }),
    ...(settings.apiKey === undefined ? {} : { apiKey: settings.apiKey }),
    ...(settings.metadata === undefined ? {} : { metadata: { ...settings.metadata } }),
  };
}
