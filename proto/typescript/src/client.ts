// The client: typed calls by operationId, one idempotency key per call, retries where they are safe, and new tokens when old ones expire.
import { operations } from './generated/operations.js';
import { NoAnswerError, problemOf, ProblemError } from './problem.js';
import { isPassing, pauseMs, retryDefaults, type RetryOptions } from './retry.js';
import { fetchTransport, type Transport, type WireRequest, type WireResponse } from './transport.js';
import type { Answer, Arguments, OperationId, Result } from './types.js';

export interface Tokens {
	access_token: string;
	refresh_token?: string;
}

export interface ClientOptions {
	/** https://api.example.org */
	baseUrl: string;
	/** Default: fetch. */
	transport?: Transport;
	tokens?: Tokens;
	/** Told of every change, so that tokens can be kept; undefined: the user must sign in again. */
	onTokens?(tokens: Tokens | undefined): void;
	language?: 'zh-CN' | 'en';
	timeoutMs?: number;
	retry?: Partial<RetryOptions>;
	makeKey?(): string;
}

interface Row {
	method: string;
	path: string;
	body?: string;
	token?: boolean;
	idempotency?: 'required' | 'optional';
}

interface LooseArguments {
	path?: Record<string, unknown>;
	query?: Record<string, unknown>;
	body?: unknown;
	idempotencyKey?: string;
	ifMatch?: string;
	headers?: Record<string, string>;
	timeoutMs?: number;
	signal?: AbortSignal;
}

const TIMEOUT_MS = 20000;

/** 128 random bits in hexadecimal. Mini-programs have no crypto: a key must be new, not secret. */
export function newKey(): string {
	const bytes = new Uint8Array(16);
	const source = (globalThis as { crypto?: Crypto }).crypto;
	if (source?.getRandomValues) source.getRandomValues(bytes);
	else for (let i = 0; i < bytes.length; i += 1) bytes[i] = Math.floor(Math.random() * 256);
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fillPath(row: Row, values: Record<string, unknown> = {}): string {
	return row.path.replace(/\{([^}]+)\}/g, (_, name: string) => {
		const value = values[name];
		if (value === undefined || value === null || value === '') throw new TypeError(`${row.path} needs ${name}`);
		return encodeURIComponent(String(value));
	});
}

/** Lists as a,b (the contracts' way). */
function fillQuery(values: Record<string, unknown> = {}): string {
	const parts: string[] = [];
	for (const [name, value] of Object.entries(values)) {
		if (value === undefined || value === null) continue;
		const text = Array.isArray(value) ? value.map((item) => encodeURIComponent(String(item))).join(',') : encodeURIComponent(String(value));
		parts.push(`${encodeURIComponent(name)}=${text}`);
	}
	return parts.length ? `?${parts.join('&')}` : '';
}

function encodeBody(type: string | undefined, body: unknown): string | undefined {
	if (body === undefined) return undefined;
	if (type === 'application/x-www-form-urlencoded') return fillQuery(body as Record<string, unknown>).slice(1);
	return type === '*/*' && typeof body === 'string' ? body : JSON.stringify(body);
}

export class Client {
	#options: ClientOptions;
	#base: string;
	#transport: Transport;
	#retry: RetryOptions;
	#tokens: Tokens | undefined;
	#refreshing: Promise<void> | undefined;

	constructor(options: ClientOptions) {
		this.#options = options;
		this.#base = options.baseUrl.replace(/\/+$/, '');
		this.#transport = options.transport ?? fetchTransport();
		this.#retry = { ...retryDefaults, ...options.retry };
		this.#tokens = options.tokens;
	}

	get tokens(): Tokens | undefined { return this.#tokens; }

	/** After a login, or undefined after the end of a session. */
	setTokens(tokens: Tokens | undefined): void {
		this.#tokens = tokens && { access_token: tokens.access_token, ...(tokens.refresh_token ? { refresh_token: tokens.refresh_token } : {}) };
		this.#options.onTokens?.(this.#tokens);
	}

	/** Calls an operation of the contracts. Fails with ProblemError or NoAnswerError; an abort with the signal's reason. */
	async call<I extends OperationId>(id: I, ...[args]: {} extends Arguments<I> ? [Arguments<I>?] : [Arguments<I>]): Promise<Answer<Result<I>>> {
		const row: Row | undefined = (operations as Record<string, Row>)[id];
		if (!row) throw new TypeError(`there is no operation ${String(id)}`);
		const given = (args ?? {}) as LooseArguments;
		const key = row.idempotency ? given.idempotencyKey ?? (this.#options.makeKey ?? newKey)() : undefined;
		const answer = await this.#sendWithToken(row, this.#request(row, given, key), key);
		if (answer.status < 200 || answer.status > 299) throw new ProblemError(problemOf(answer.status, answer.text), answer.status, answer.headers, key);
		const { headers } = answer;
		return {
			status: answer.status,
			headers,
			data: (answer.text ? this.#decode(answer) : undefined) as Result<I>,
			etag: headers['etag'],
			requestId: headers['request-id'],
			replayed: headers['idempotency-replayed'] === 'true',
		};
	}

	#request(row: Row, given: LooseArguments, key: string | undefined): WireRequest {
		const body = encodeBody(row.body, given.body);
		const headers: Record<string, string> = { accept: 'application/json, application/problem+json' };
		if (this.#options.language) headers['accept-language'] = this.#options.language;
		if (body !== undefined) headers['content-type'] = row.body && row.body !== '*/*' ? row.body : 'application/json';
		if (key !== undefined) headers['idempotency-key'] = key;
		if (given.ifMatch !== undefined) headers['if-match'] = given.ifMatch;
		for (const [name, value] of Object.entries(given.headers ?? {})) headers[name.toLowerCase()] = value;
		return {
			method: row.method,
			url: this.#base + fillPath(row, given.path) + fillQuery(given.query),
			headers,
			body,
			timeoutMs: given.timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT_MS,
			signal: given.signal,
		};
	}

	#decode(answer: WireResponse): unknown {
		if (!/^application\/([a-z0-9.+-]*\+)?json\b/.test(answer.headers['content-type'] ?? '')) return answer.text;
		try {
			return JSON.parse(answer.text);
		} catch (error) {
			throw new NoAnswerError(error); // cut off in between
		}
	}

	/** A token is shown where one is needed; when it has expired, once more with a new one and the same key. */
	async #sendWithToken(row: Row, request: WireRequest, key: string | undefined): Promise<WireResponse> {
		if (!row.token || !this.#tokens || request.headers['authorization']) return this.#send(request, key);
		const shown = this.#tokens.access_token;
		request.headers['authorization'] = `Bearer ${shown}`;
		const answer = await this.#send(request, key);
		if (answer.status !== 401 || problemOf(401, answer.text).code !== 'token-expired') return answer;
		if (this.#tokens?.access_token === shown) {
			if (!this.#tokens.refresh_token) return answer;
			await this.refresh();
		}
		if (!this.#tokens) return answer;
		request.headers['authorization'] = `Bearer ${this.#tokens.access_token}`;
		return this.#send(request, key);
	}

	/** New tokens for the refresh token; all who ask at a time share one request. */
	refresh(): Promise<void> {
		this.#refreshing ??= this.#refresh().finally(() => { this.#refreshing = undefined; });
		return this.#refreshing;
	}

	async #refresh(): Promise<void> {
		const token = this.#tokens?.refresh_token;
		if (!token) throw new TypeError('there is no refresh token');
		const row: Row = operations.auth_refresh;
		// An answer that was lost may be asked for again within a minute: the contract says so.
		const answer = await this.#send(this.#request(row, { body: { refresh_token: token } }, undefined), undefined, true);
		if (answer.status === 200) {
			this.setTokens(JSON.parse(answer.text) as Tokens);
			return;
		}
		if (answer.status === 401) this.setTokens(undefined);
		throw new ProblemError(problemOf(answer.status, answer.text), answer.status, answer.headers);
	}

	/** Sends until there is an answer that lasts. Again only what does no harm twice: GET, HEAD, and what carries a key. */
	async #send(request: WireRequest, key: string | undefined, again = key !== undefined || request.method === 'GET' || request.method === 'HEAD'): Promise<WireResponse> {
		for (let sent = 1; ; sent += 1) {
			let answer: WireResponse | undefined;
			let reason: unknown;
			try {
				answer = await this.#transport(request);
			} catch (error) {
				if (request.signal?.aborted) throw error;
				reason = error;
			}
			if (answer && !isPassing(answer)) return answer;
			const pause = again && sent < this.#retry.attempts ? pauseMs(this.#retry, sent, answer) : undefined;
			if (pause === undefined) {
				if (answer) return answer;
				throw new NoAnswerError(reason, key);
			}
			await this.#retry.sleep(pause, request.signal);
		}
	}
}
