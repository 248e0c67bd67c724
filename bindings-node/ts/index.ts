/**
 * The client SDK of the Autonomi Control Plane, the REST API of Loki Mode.
 *
 * @packageDocumentation
 */

export {
  APIConnectionError,
  APITimeoutError,
  AuthenticationError,
  AutonomiError,
  ConfigError,
  ConflictError,
  DecodeError,
  type ErrorDetails,
  type FieldError,
  ForbiddenError,
  type KeyRotationDetails,
  KeyRotationError,
  NotAvailableError,
  NotAvailableOnControlPlaneError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
  ValidationError,
  WebhookVerificationError,
} from './errors.js';
export { EventStream, type FollowManyOptions, type FollowOptions, type RunFollower } from './events.js';
export { AutonomiClient, AutonomiClient as Client } from './generated/client.js';
export { SessionManager, TaskManager } from './generated/managers.js';
export type * from './generated/models.js';
export type { HeaderList } from './headers.js';
export type {
  KeyRotation,
  RotateAndStoreOptions,
  StoreToken,
  TemporaryApiKey,
  TemporaryApiKeyOptions,
} from './keys.js';
export type { DashboardStream, LiveEventStream, LiveOptions, WatchOptions } from './live.js';
export type { Logger } from './logger.js';
export { LokiClient, type LokiClientOptions, type SubscribeOptions } from './loki-client.js';
export type { CallOptions, ClientChanges, ClientOptions } from './options.js';
export type { PageOptions, Pager } from './paging.js';
export type { RawClient, RawResponse } from './raw.js';
export { parseTimestamp } from './timestamps.js';
export type { TokenProvider } from './tokens.js';
export type { WaitOptions } from './waiting.js';
