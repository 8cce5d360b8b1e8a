export { Client, newKey, type ClientOptions, type Tokens } from './client.js';
export { NoAnswerError, ProblemError, type Problem } from './problem.js';
export { retryDefaults, type RetryOptions } from './retry.js';
export { fetchTransport, wxTransport, type Transport, type WireRequest, type WireResponse, type WxLike, type WxRequestOptions } from './transport.js';
export type { Answer, Arguments, OperationId, Result } from './types.js';
export type { components, operations as Operations } from './generated/schema.js';
