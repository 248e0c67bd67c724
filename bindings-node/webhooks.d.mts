export * from './dist/webhooks.js';
