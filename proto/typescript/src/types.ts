// What an operation takes and gives, from the generated types.
import type { operations as Schema } from './generated/schema.js';

export type OperationId = keyof Schema;
type Parameters<I extends OperationId> = Schema[I]['parameters'];
type Defined<T> = Exclude<T, undefined>;

type PathOf<I extends OperationId> = Parameters<I> extends { path: infer P } ? { path: P } : { path?: never };
type QueryOf<I extends OperationId> = Parameters<I> extends { query: infer Q } ? { query: Q }
	: Parameters<I> extends { query?: infer Q } ? ([Defined<Q>] extends [never] ? { query?: never } : { query?: Defined<Q> }) : { query?: never };
type Takes<I extends OperationId, N extends string> = Parameters<I> extends { header?: infer H }
	? ([Defined<H>] extends [never] ? false : N extends keyof Defined<H> ? true : false) : false;
type BodyOf<I extends OperationId> = Schema[I] extends { requestBody: { content: infer C } } ? { body: C[keyof C] }
	: Schema[I] extends { requestBody?: infer B } ? (Defined<B> extends { content: infer C } ? { body?: C[keyof C] } : { body?: never }) : { body?: never };
type KeyOf<I extends OperationId> = Takes<I, 'Idempotency-Key'> extends true ? { idempotencyKey?: string } : { idempotencyKey?: never };
type MatchOf<I extends OperationId> = Takes<I, 'If-Match'> extends true ? { ifMatch: string } : { ifMatch?: never };

export interface CallOptions {
	headers?: Record<string, string>;
	timeoutMs?: number;
	signal?: AbortSignal;
}

export type Arguments<I extends OperationId> = PathOf<I> & QueryOf<I> & BodyOf<I> & KeyOf<I> & MatchOf<I> & CallOptions;

type Good = 200 | 201 | 202 | 203;
type Content<R> = R extends { content: infer C } ? Defined<C>[keyof Defined<C>] : undefined;
/** The body of a success; undefined for 204. */
export type Result<I extends OperationId> = Schema[I]['responses'] extends infer R
	? Extract<keyof R, Good> extends never ? undefined : { [S in Extract<keyof R, Good>]: Content<R[S]> }[Extract<keyof R, Good>]
	: never;

export interface Answer<T> {
	status: number;
	/** Names in lower case. */
	headers: Record<string, string>;
	data: T;
	etag: string | undefined;
	requestId: string | undefined;
	/** The platform gave the answer of an earlier request with the same key. */
	replayed: boolean;
}
