// One implementation, as in index.mjs.
import webhooks from './dist/webhooks.js';

export const { isApprovalRequest, parse, sign, unwrap, verify, WebhookVerificationError } = webhooks;
