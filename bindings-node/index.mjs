// One implementation, in CommonJS: with a second copy for modules there would be two classes of each name.
import sdk from './dist/index.js';

export const {
  APIConnectionError,
  APITimeoutError,
  AuthenticationError,
  AutonomiClient,
  AutonomiError,
  Client,
  ConfigError,
  ConflictError,
  DecodeError,
  EventStream,
  ForbiddenError,
  KeyRotationError,
  LokiClient,
  NotAvailableError,
  NotAvailableOnControlPlaneError,
  NotFoundError,
  PermissionDeniedError,
  parseTimestamp,
  RateLimitError,
  ServerError,
  SessionManager,
  TaskManager,
  ValidationError,
  WebhookVerificationError,
} = sdk;
