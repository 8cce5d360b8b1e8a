// How bytes travel: fetch (browsers, Node.js) and wx.request (mini-programs). No cookies either way.

export interface WireRequest {
	method: string;
	url: string;
	headers: Record<string, string>;
	body?: string | undefined;
	timeoutMs: number;
	signal?: AbortSignal | undefined;
}

export interface WireResponse {
	status: number;
	/** Names in lower case. */
	headers: Record<string, string>;
	text: string;
}

/** Rejects when there was no whole answer: the request may or may not have been done. */
export type Transport = (request: WireRequest) => Promise<WireResponse>;

export function fetchTransport(fetcher: typeof fetch = fetch): Transport {
	return async (request) => {
		const stop = new AbortController();
		const abort = () => stop.abort(request.signal?.reason);
		const timer = setTimeout(() => stop.abort(new Error(`no answer within ${request.timeoutMs} ms`)), request.timeoutMs);
		request.signal?.addEventListener('abort', abort);
		if (request.signal?.aborted) abort();
		try {
			const answer = await fetcher(request.url, {
				method: request.method,
				headers: request.headers,
				...(request.body === undefined ? {} : { body: request.body }),
				credentials: 'omit',
				redirect: 'error',
				signal: stop.signal,
			});
			const headers: Record<string, string> = {};
			answer.headers.forEach((value, name) => { headers[name.toLowerCase()] = value; });
			return { status: answer.status, headers, text: await answer.text() };
		} finally {
			clearTimeout(timer);
			request.signal?.removeEventListener('abort', abort);
		}
	};
}

/** What is used of the mini-program's `wx`. */
export interface WxRequestOptions {
	url: string;
	method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS';
	header: Record<string, string>;
	data?: string;
	dataType: string;
	responseType: string;
	timeout: number;
	success(result: { statusCode: number; header: Record<string, string | string[]>; data: unknown }): void;
	fail(error: { errMsg: string }): void;
}
export interface WxLike {
	request(options: WxRequestOptions): { abort(): void } | void;
}

const WX_TIMEOUT_MS_MAX = 60000;

/** wx.request has no PATCH: it goes as POST with X-HTTP-Method-Override, which the platform takes as PATCH. */
export function wxTransport(wx: WxLike): Transport {
	return (request) => new Promise((done, fail) => {
		const patch = request.method === 'PATCH';
		const header = patch ? { ...request.headers, 'x-http-method-override': 'PATCH' } : request.headers;
		if (request.signal?.aborted) {
			fail(request.signal.reason);
			return;
		}
		let task: { abort(): void } | void;
		const abort = () => { task?.abort(); };
		const over = () => request.signal?.removeEventListener('abort', abort);
		task = wx.request({
			url: request.url,
			method: (patch ? 'POST' : request.method) as WxRequestOptions['method'],
			header,
			...(request.body === undefined ? {} : { data: request.body }),
			dataType: 'text', // anything but "json": the text comes as it is
			responseType: 'text',
			timeout: Math.min(request.timeoutMs, WX_TIMEOUT_MS_MAX),
			success: (result) => {
				over();
				const headers: Record<string, string> = {};
				for (const [name, value] of Object.entries(result.header ?? {})) headers[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : String(value);
				done({ status: result.statusCode, headers, text: typeof result.data === 'string' ? result.data : result.data === undefined ? '' : JSON.stringify(result.data) });
			},
			fail: (error) => {
				over();
				fail(new Error(error.errMsg));
			},
		});
		request.signal?.addEventListener('abort', abort);
	});
}
