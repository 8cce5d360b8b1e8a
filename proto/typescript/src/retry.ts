// When a request may be sent again, and after what pause.
import type { WireResponse } from './transport.js';
import { problemOf } from './problem.js';

export interface RetryOptions {
	/** Sends in all. */
	attempts: number;
	/** Pause before the second one at most; it doubles. */
	baseMs: number;
	/** The longest pause of ours, and the longest Retry-After that is waited for. */
	maxMs: number;
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	random(): number;
}

export const retryDefaults: RetryOptions = {
	attempts: 4,
	baseMs: 400,
	maxMs: 30000,
	sleep: (ms, signal) => new Promise((done, fail) => {
		const abort = () => { clearTimeout(timer); fail(signal?.reason); };
		const timer = setTimeout(() => { signal?.removeEventListener('abort', abort); done(); }, ms);
		signal?.addEventListener('abort', abort);
		if (signal?.aborted) abort();
	}),
	random: Math.random,
};

const PASSING = [429, 502, 503, 504];

/** True for answers that may be another one a little later. */
export function isPassing(answer: WireResponse): boolean {
	return PASSING.includes(answer.status) || (answer.status === 409 && problemOf(409, answer.text).code === 'idempotency-in-progress');
}

/** Milliseconds of Retry-After (RFC 9110 10.2.3): seconds or a date. */
export function retryAfterMs(headers: Record<string, string>, now = Date.now()): number | undefined {
	const value = headers['retry-after']?.trim();
	if (!value) return undefined;
	if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000;
	const at = Date.parse(value);
	return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** The pause after send number `sent` (1, 2 …); undefined: waiting so long is not ours to decide. */
export function pauseMs(options: RetryOptions, sent: number, answer?: WireResponse): number | undefined {
	const asked = answer && retryAfterMs(answer.headers);
	if (asked !== undefined && asked > options.maxMs) return undefined;
	const grown = Math.min(options.maxMs, options.baseMs * 2 ** (sent - 1)) * options.random();
	return asked === undefined ? grown : asked + Math.min(grown, options.baseMs); // not all of them at once
}
