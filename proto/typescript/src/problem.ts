// What goes wrong, as errors.
import type { components } from './generated/schema.js';

export type Problem = components['schemas']['Problem'];

/** The platform said no: RFC 9457. `problem.code` is stable and for programs; `problem.type` is a page for people. */
export class ProblemError extends Error {
	override readonly name = 'ProblemError';

	constructor(
		readonly problem: Problem,
		readonly status: number,
		readonly headers: Record<string, string>,
		/** The key that the request carried: send it again with the same to be sure that it is done once. */
		readonly idempotencyKey?: string,
	) {
		super(`${problem.title} (${problem.code})`);
	}

	get code(): string { return this.problem.code; }
	get requestId(): string | undefined { return this.headers['request-id']; }
}

/** There was no answer. Whether it was done is not known, unless it is sent again with the same key. */
export class NoAnswerError extends Error {
	override readonly name = 'NoAnswerError';

	constructor(readonly reason: unknown, readonly idempotencyKey?: string) {
		super(`no answer: ${reason instanceof Error ? reason.message : String(reason)}`);
	}
}

/** The problem of an answer; one made up when something in between answered with something else. */
export function problemOf(status: number, text: string): Problem {
	try {
		const read = JSON.parse(text) as Partial<Problem> | null;
		if (read && typeof read.code === 'string' && typeof read.title === 'string') return { ...read, status: read.status ?? status, type: read.type ?? 'about:blank' } as Problem;
	} catch { /* no JSON */ }
	return { type: 'about:blank', title: `HTTP ${status}`, status, code: 'unknown' };
}
