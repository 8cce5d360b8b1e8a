// What an attacker may send, and the class of answer it must get. A case is [name, bytes or pieces, expectation]; see `expect` below.
// Classes come from the standards, from published desync research and from the bug catalogues of HTTP servers; the bytes are our own.

/* ── expectations ── */
const BAD = [400];
/** Told no once, the connection ended, nothing reached the service. */
const refused = (...statuses) => ({ answers: [statuses.length ? statuses : BAD], closed: true, seen: [] });
/** Answered by the gateway itself; the connection goes on and nothing reached the service. */
const own = (...statuses) => ({ answers: [statuses], closed: false, seen: [] });
/** Reached the service as exactly this request line; `more` looks closer: { has, hasNot, body }. */
const passed = (line = ECHO, more = {}) => ({ answers: [[200]], closed: false, seen: [line], ...more });
/** Several in one go. */
const several = (answers, seen, closed) => ({ answers: answers.map((s) => [s].flat()), seen, closed });

/* ── bytes ── */
const ECHO = 'GET /v1/echo HTTP/1.1';
const POST = 'POST /v1/echo HTTP/1.1';
const request = (line, ...fields) => `${[line, ...fields].join('\r\n')}\r\n\r\n`;
const get = (...fields) => request(ECHO, 'Host: a', ...fields);
const at = (target, ...fields) => request(`GET ${target} HTTP/1.1`, 'Host: a', ...fields);
const post = (...fields) => request(POST, 'Host: a', ...fields);
const chunked = (body, ...fields) => post('Transfer-Encoding: chunked', ...fields) + body;
const EVIL = request('GET /v1/echo?evil HTTP/1.1', 'Host: a');
const TWO = 'GET /v1/echo?n=2 HTTP/1.1';
const item = '/v1/items/018f0000-0000-7000-8000-000000000001';

const lengths = ['+5', '-5', '-0', '0x5', '5 5', '5,5', '5, 5', '5;', '"5"', '5.0', '5e0', '1_0', '5Z', '010', '00005', '', '5\x0b', '\x0c5', '\xa05', '5\x85', '\xb25',
	'9223372036854775808', '18446744073709551615', '18446744073709551616', '18446744073709551621', '99999999999999999999999999', 'NaN', 'five', '5\r\n 5'];
const codings = ['gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'gzip', 'identity', 'identity, chunked', 'chunked, identity', ',chunked', 'chunked,', 'chunked;x=1', '"chunked"', "'chunked'",
	'xchunked', 'chunkedx', 'chunk', 'cow chunked bar', 'chunked cow', '\x0bchunked', 'chunked\x0b', '\xa0chunked\xa0', '\xffchunked', 'chunked\x85', 'ch\x96nked', '', '\r\n chunked', '\n chunked', 'blegh'];

export const framing = [
	...lengths.map((v) => [`length ${JSON.stringify(v)}`, `${post(`Content-Length: ${v}`)}hello`, refused()]),
	['length of 2^32+5', `${post('Content-Length: 4294967301')}hello`, refused(413)],
	['length of 18 digits', `${post('Content-Length: 999999999999999999')}hello`, refused(413)],
	['length told twice, the same', `${post('Content-Length: 5', 'Content-Length: 5')}hello`, refused()],
	['length told twice, larger last', `${post('Content-Length: 0', `Content-Length: ${EVIL.length}`)}${EVIL}`, refused()],
	['length told twice, smaller last', `${post('Content-Length: 5', 'content-length: 0')}hello`, refused()],
	['length told twice, empty first', `${post('Content-Length:', `Content-Length: ${EVIL.length}`)}${EVIL}`, refused()],
	['length told twice, on a GET', `${get('Content-Length: 1', 'Content-Length: 0')}Z`, refused()],
	['length with a blank before the colon', `${post('Content-Length : 5')}hello`, refused()],
	['length without a colon', `${post('Content-Length 5')}hello`, refused()],
	['length with 0x85 in its name', `${get('Content-Length\x85: 10')}0123456789`, refused()],
	['length with an underscore is no length', get('Content_Length: 10'), passed(ECHO, { hasNot: ['content_length'] })],
	['length in blanks', `${post('Content-Length: \t 5  ')}hello`, passed(POST, { body: 'hello' })],
	['length 0', post('Content-Length: 0'), passed(POST, { body: '', has: { 'content-length': '0' } })],
	...codings.map((v) => [`coding ${JSON.stringify(v)}`, `${post(`Transfer-Encoding: ${v}`)}0\r\n\r\n`, refused(400, 501)]),
	...['chunked', 'identity', ',chunked', 'xchunked'].flatMap((v) => [
		[`coding ${v} before a length`, `${post(`Transfer-Encoding: ${v}`, 'Content-Length: 5')}0\r\n\r\n`, refused(400, 501)],
		[`coding ${v} behind a length`, `${post('Content-Length: 5', `transfer-ENCODING: ${v}`)}0\r\n\r\n`, refused(400, 501)],
	]),
	['coding told twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}1\r\nZ\r\n0\r\n\r\n`, refused(400, 501)],
	['coding told twice, unknown first', `${post('Transfer-Encoding: cow', 'Transfer-Encoding: chunked')}0\r\n\r\n`, refused(400, 501)],
	['coding told twice, unknown last', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: cow')}0\r\n\r\n`, refused(400, 501)],
	['coding with length zero', `${post('Content-Length: 0', 'Transfer-Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding in HTTP/1.0', `${request('POST /v1/echo HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding in HTTP/1.0 kept alive', `${request('POST /v1/echo HTTP/1.0', 'Host: a', 'Connection: keep-alive', 'Transfer-Encoding: chunked')}0\r\n\r\n${EVIL}`, refused()],
	['coding with a blank before the colon', `${post('Transfer-Encoding : chunked')}0\r\n\r\n`, refused()],
	['coding with a tab before the colon', `${post('Transfer-Encoding\t: chunked')}0\r\n\r\n`, refused()],
	['coding with a blank in its name', `${post('Transfer Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding behind a blank', `${post(' Transfer-Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding behind a bare CR', `${post('X: X\rTransfer-Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding behind a bare LF', `${post('X: X\nTransfer-Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding with a CR in its name', `${post('Transfer\r-Encoding: chunked')}0\r\n\r\n`, refused()],
	['coding whose name goes on in the next line', `${post('Transfer-', 'Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`, refused()],
	['coding with an underscore is no coding', get('Transfer_Encoding: chunked'), passed(ECHO, { hasNot: ['transfer_encoding'] })],
	['coding shouted', `${post('TRANSFER-ENCODING: CHUNKED')}5\r\nhello\r\n0\r\n\r\n`, passed(POST, { body: 'hello', has: { 'content-length': '5' }, hasNot: ['transfer-encoding'] })],
	['coding behind a tab', `${post('Transfer-Encoding:\tchunked ')}5\r\nhello\r\n0\r\n\r\n`, passed(POST, { body: 'hello' })],
	['Content-Encoding: chunked is no framing, and no coding of content', `${post('Content-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`, own(415)],
	['content of a GET goes along', `${get(`Content-Length: ${EVIL.length}`)}${EVIL}`, passed(ECHO, { body: EVIL })],
	['content of a GET in chunks', `${get('Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`, passed(ECHO, { body: 'hello' })],
	['content that looks like a request', `${post(`Content-Length: ${EVIL.length}`)}${EVIL}`, passed(POST, { body: EVIL })],
	['content of a HEAD', `${request('HEAD /v1/echo HTTP/1.1', 'Host: a', `Content-Length: ${EVIL.length}`)}${EVIL}`, { ...passed(ECHO, { body: EVIL }), head: true }],
	...['/', '/v1/nothing', '/problems/not-found', '/internal/echo', item].map((path) =>
		[`content that nobody asked for at ${path}`, `${request(`POST ${path} HTTP/1.1`, 'Host: a', `Content-Length: ${EVIL.length}`)}${EVIL}`, own(404, 405, 401)]),
	['content of OPTIONS', `${request('OPTIONS /v1/echo HTTP/1.1', 'Host: a', `Content-Length: ${EVIL.length}`)}${EVIL}`, own(204)],
	['content of OPTIONS *', `${request('OPTIONS * HTTP/1.1', 'Host: a', `Content-Length: ${EVIL.length}`)}${EVIL}`, own(204)],
	['content of a refused override', `${post('X-HTTP-Method-Override: DELETE', `Content-Length: ${EVIL.length}`)}${EVIL}`, own(400)],
	['content without a length is the next request', `${post()}${request(TWO, 'Host: a')}`, several([200, 200], [POST, TWO], false)],
];

const hello = (size, end = '0\r\n\r\n') => chunked(`${size}\r\nhello\r\n${end}`);
const sizes = ['0x5', '+5', '-5', '5_', '0_5', '5.', ' 5', '\t5', '5 ', '5\t', '5\r', '5\n', '', '5g', '"5"', '5,', '\x005', '5\x00', 'FFFFFFFFFFFFFFFFF', '10000000000000005', '80000000000000005', '-0x0', '5these', '5 5', '5\x0b', '5\xa0', '\xff5'];
export const chunks = [
	...sizes.map((v) => [`chunk size ${JSON.stringify(v)}`, hello(v), refused(400, 413)]),
	['chunk size of 2^63', hello('8000000000000000'), refused(400, 413)],
	['chunk size of 2^64-1', hello('ffffffffffffffff'), refused(400, 413)],
	['chunk size with many zeros', hello(`${'0'.repeat(40)}5`), refused(400, 413)],
	['chunk size in capitals', chunked(`A\r\n0123456789\r\n0\r\n\r\n`), passed(POST, { body: '0123456789' })],
	['chunk size too small', hello('4'), refused()],
	['chunk size too large', chunked('6\r\nhello\r\n0\r\n\r\n'), refused()],
	['chunk without its CRLF', chunked('5\r\nhello0\r\n\r\n'), refused()],
	['chunk ended by LF', chunked('5\r\nhello\n0\r\n\r\n'), refused()],
	['chunk ended by CR', chunked('5\r\nhello\r0\r\n\r\n'), refused()],
	['chunk ended by CRX', chunked('5\r\nhello\rX0\r\n\r\n'), refused()],
	['chunk line ended by LF', chunked('5\nhello\r\n0\r\n\r\n'), refused()],
	['chunk line ended by CRX', chunked('5\rXhello\r\n0\r\n\r\n'), refused()],
	['last chunk line ended by LF', chunked('5\r\nhello\r\n0\n\r\n'), refused()],
	['last chunk ended by LF', chunked('5\r\nhello\r\n0\r\n\n'), refused()],
	['last chunk ended by LF LF', chunked('5\r\nhello\r\n0\n\n'), refused()],
	['last chunk ended by any two bytes', `${chunked('5\r\nhello\r\n0\r\nXX')}\r\n\r\n`, refused()],
	['last chunk with an empty line before it', chunked('5\r\nhello\r\n\r\n0\r\n\r\n'), refused()],
	['no size at all', chunked('\r\n\r\n'), refused()],
	['rubbish in place of a chunk', chunked(`INVALID!!!\r\n${EVIL}`), refused()],
	['chunk hides a request in another reading of its size', chunked(`0_2e\r\n\r\n${EVIL}0\r\n\r\n`), refused()],
	['several chunks', chunked('1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n'), passed(POST, { body: 'hello' })],
	['chunk that holds CRLFs and a request', chunked(`${EVIL.length.toString(16)}\r\n${EVIL}\r\n0\r\n\r\n`), passed(POST, { body: EVIL })],
	['last chunk of several zeros', chunked('5\r\nhello\r\n000\r\n\r\n'), passed(POST, { body: 'hello' })],
	['a request right behind the last chunk', `${chunked('5\r\nhello\r\n0\r\n\r\n')}${request(TWO, 'Host: a')}`, several([200, 200], [POST, TWO], false)],
	['a NUL right behind the last chunk', `${chunked('5\r\nhello\r\n0\r\n\r\n')}\0`, several([200, BAD], [POST], true)],
	['extension', hello('5;a=b;c="d;e"'), passed(POST, { body: 'hello' })],
	['extension with a bare CR', hello('5;a=b\rc'), refused()],
	['extension with two CRs', hello('5;a=b\r'), refused()],
	['extension behind a CR', hello('5\r;a'), refused()],
	['extension behind two CRs', chunked(`2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n${EVIL}`), refused()],
	['extension with a bare LF', hello('5;a\nb'), refused()],
	['extension with a NUL', hello('5;a\0b'), refused()],
	['extension with a control byte', hello('5;a\x07'), refused()],
	['extension with an open quote', hello('5;a="b'), refused()],
	['extension with a CR in quotes', hello('5;a="b\rc"'), refused()],
	['extension of 20,000 bytes', hello(`5;${'a'.repeat(20000)}`), refused(400, 413)],
	['extension of 9,000 bytes on each of three chunks', chunked(`${`1;${'a'.repeat(9000)}\r\nh\r\n`.repeat(3)}0\r\n\r\n`), refused(400, 413)],
	['10,000 chunks of one byte', chunked(`${'1\r\nh\r\n'.repeat(10000)}0\r\n\r\n`), passed(POST, { body: 'h'.repeat(10000) })],
	['trailer', chunked('5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n', 'Trailer: X-Sum'), passed(POST, { body: 'hello', hasNot: ['x-sum', 'trailer'] })],
	...['Content-Length: 0', 'Transfer-Encoding: chunked', 'Host: evil', 'Authorization: Bearer x', 'X-API-Key: x', 'Content-Type: text/html', 'Content-Encoding: gzip', 'Cookie: a=b', 'X-Yangguang-Identity: x',
		'X-Forwarded-For: 6.6.6.6', 'Expect: 100-continue', 'Trailer: x', 'TE: trailers', 'Cache-Control: no-cache', 'If-Match: "x"', 'Connection: close', 'Idempotency-Key: x', 'X-HTTP-Method-Override: PATCH',
		'Range: bytes=0-1', 'Proxy-Authorization: x', 'Content_Length: 0']
		.map((field) => [`trailer ${field}`, chunked(`5\r\nhello\r\n0\r\n${field}\r\n\r\n`), refused()]),
	...['Content-Digest: x', 'Signature: x', 'X-Any: x', 'X-Any:', `X-Any: ${'a'.repeat(4000)}`].map((field) => [`trailer ${field.slice(0, 20)} is dropped`, chunked(`5\r\nhello\r\n0\r\n${field}\r\n\r\n`), passed(POST, { body: 'hello', hasNot: ['content-digest', 'signature', 'x-any'] })]),
	['trailer that is no field', chunked('5\r\nhello\r\n0\r\nGET /v1/echo?evil HTTP/1.1\r\nHost: a\r\n\r\n'), refused()],
	['trailer without a name', chunked('5\r\nhello\r\n0\r\n: x\r\n\r\n'), refused()],
	['trailer with a blank before its colon', chunked('5\r\nhello\r\n0\r\nX-Sum : x\r\n\r\n'), refused()],
	['trailer, folded', chunked('5\r\nhello\r\n0\r\nX-Sum: x\r\n y\r\n\r\n'), refused()],
	['trailer with a bare LF', chunked('5\r\nhello\r\n0\r\nX-Sum: x\nY: z\r\n\r\n'), refused()],
	['trailer with a bare CR', chunked('5\r\nhello\r\n0\r\nX-Sum: x\rY: z\r\n\r\n'), refused()],
	['trailer with a NUL', chunked('5\r\nhello\r\n0\r\nX-Sum: \0\r\n\r\n'), refused()],
	['trailers of 20,000 bytes', chunked(`5\r\nhello\r\n0\r\n${`X-Sum: ${'a'.repeat(90)}\r\n`.repeat(200)}\r\n`), refused(400, 413, 431)],
	['trailer of one endless line', chunked(`5\r\nhello\r\n0\r\nX-Sum: ${'a'.repeat(20000)}\r\n\r\n`), refused(400, 413, 431)],
];

const methods = ['G=":<>(e),[T];?"', 'GET\0', 'GE T', 'G\xc9T', '\x00', ''];
const versions = ['HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/1.9', 'HTTP/9.9', 'HTTP/3', 'HTTP/1.10', 'HTTP/1.32', 'HTTP/01.1', 'HTTP/1.1x', 'HTTP/1,1', 'HTTP/1.', 'HTTP/.1', 'HTTP/', 'HTTP/1.1 ', ' HTTP/1.1', '\tHTTP/1.1',
	'http/1.1', 'HTTPS/1.1', 'HTTP /1.1', 'HTTP/ 1.1', 'HTTP/+1.1', 'HTTP/4294967295.255', 'HTTP/257.257', 'HTTP/............0596.7407.', 'ICE/1.0', 'RTSP/1.0', 'HTTP/1.1\t', 'HTTP/1.1 HTTP/1.1', ''];
const hosts = ['', 'a b', 'a/b', 'u@a', 'a:80:81', 'a:8z', 'a:', 'a:-1', 'a:65536', 'a"><b', 'a,b', 'a\0b', 'a\x07', 'http://a', 'a?x', 'a#x', 'a%00', 'a%2eb', '[::1', '::1', '[::1]x', '[g::1]', 'a\\b', 'a;b', "a'b", '\xffa\xff', '\xe4\xba\xac', 'a\tb', '*',
	'a'.repeat(300)];

export const heads = [
	...methods.map((v) => [`method ${JSON.stringify(v)}`, request(`${v} /v1/echo HTTP/1.1`, 'Host: a'), refused(400, 501)]),
	...['PROPFIND', 'TRACE', 'BREW', 'get', 'GETX', 'PURGE'].map((v) => [`method ${v}`, request(`${v} /v1/echo HTTP/1.1`, 'Host: a'), { ...own(501, 405), closed: undefined }]),
	['method of 70 letters', request(`${'A'.repeat(70)} /v1/echo HTTP/1.1`, 'Host: a'), refused(400, 501)],
	['CONNECT in authority form', request('CONNECT a:443 HTTP/1.1', 'Host: a:443'), refused(400, 405, 501)],
	['CONNECT with a path', request('CONNECT /v1/echo HTTP/1.1', 'Host: a'), refused(400, 405, 501)],
	['CONNECT with a length and bytes behind it', `${request('CONNECT a:443 HTTP/1.1', 'Host: a:443', 'Content-Length: 5')}${EVIL}`, refused(400, 405, 501)],
	...versions.map((v) => [`version ${JSON.stringify(v)}`, request(`GET /v1/echo ${v}`, 'Host: a'), refused(400, 505)]),
	['no version (HTTP/0.9)', 'GET /v1/echo\r\n', refused(400, 505)],
	['no version, with fields', request('GET /v1/echo', 'Host: a'), refused(400, 505)],
	['preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', refused(400, 505)],
	['a TLS hello', `\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03${'\x5a'.repeat(40)}`, refused()],
	['rubbish', 'Invalid\r\n\r\n', refused()],
	['rubbish before the request', `Extra line${get()}`, refused()],
	['PROXY line', `PROXY TCP4 6.6.6.6 7.7.7.7 1 2\r\n${get()}`, refused(400, 501)],
	['an answer in place of a request', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', refused(400, 505)],
	['two blanks before the target', request('GET  /v1/echo HTTP/1.1', 'Host: a'), refused()],
	['two blanks behind the target', request('GET /v1/echo  HTTP/1.1', 'Host: a'), refused()],
	['tabs for blanks', request('GET\t/v1/echo\tHTTP/1.1', 'Host: a'), refused()],
	['a blank first', ` ${get()}`, refused()],
	['a blank in the target', request('GET /v1/echo x HTTP/1.1', 'Host: a'), refused()],
	['LF in the request line', request('GET /v1/echo\nHTTP/1.1', 'Host: a'), refused()],
	['CR in the request line', request('GET /v1/echo\rX HTTP/1.1', 'Host: a'), refused()],
	['two CRs end the request line', `${ECHO}\r\r\nHost: a\r\n\r\n`, refused()],
	['NUL in the request line', request('GET /v1/echo\0 HTTP/1.1', 'Host: a'), refused()],
	['one empty line first', `\r\n${get()}`, passed()],
	['two empty lines first', `\r\n\r\n${get()}`, refused()],
	['a bare LF first', `\n${get()}`, refused()],
	['a bare CR first', `\r${get()}`, refused()],
	['bare LFs everywhere', get().replaceAll('\r\n', '\n'), refused()],
	['bare LF behind the request line', get().replace('\r\n', '\n'), refused()],
	['bare LF ends the head', `${ECHO}\r\nHost: a\r\n\n`, refused()],
	['bare LF behind a field', `${ECHO}\r\nHost: a\nX: y\r\n\r\n`, refused()],
	['bare CR for CRLF', get().replaceAll('\r\n', '\r'), refused()],
	['CR X ends the head', `${ECHO}\r\nHost: a\r\n\rZ${EVIL}`, refused()],
	['CR CR LF', `${ECHO}\r\nHost: a\r\r\n\r\n`, refused()],
	['a folded field', get('X: a\r\n b'), refused()],
	['a field folded by a tab', get('X: a\r\n\tb'), refused()],
	['a folded Host', request(ECHO, 'Host:\r\n a'), refused()],
	['the first field behind a blank', `${ECHO}\r\n Host: a\r\n\r\n`, refused()],
	['a blank line behind the request line', `${ECHO}\r\n \r\nHost: a\r\n\r\n`, refused()],
	['NUL in a value', get('X: a\0b'), refused()],
	['NUL at the end of a value', get('X: evil\0'), refused()],
	['NUL and CR in a value', get('X: v\0\ralue'), refused()],
	['CR in a value', get('X: va\rlue'), refused()],
	['DEL in a value', get('X: a\x7fb'), refused()],
	['BEL in a value', get('X: test\x07'), refused()],
	['VT before a value', get('X:\x0bvalue'), refused()],
	['a field hidden behind CR', get('Visible: :/\rSmuggled: :)'), refused()],
	['two LFs in a value', get(`Useless:\n\n${ECHO}`), refused()],
	['bytes above 127 in a value stay', get('X-Text: \x85\xa0\xff\xe9'), passed(ECHO, { has: { 'x-text': '\x85\xa0\xff\xe9' } })],
	['tabs in a value stay', get('X-Text: a\tb'), passed(ECHO, { has: { 'x-text': 'a\tb' } })],
	['an empty value', get('X-Text:'), passed(ECHO, { has: { 'x-text': '' } })],
	['blanks around a value go', get('X-Text: \t a \t '), passed(ECHO, { has: { 'x-text': 'a' } })],
	['a field without a name', get(': ignored'), refused()],
	['a field that is a colon', get(':', 'I: am chopped off'), refused()],
	['a field without a colon', get('Test'), refused()],
	['a blank before the colon', get('X : y'), refused()],
	['a bracket in a name', get('X-Invalid[]: test'), refused()],
	['0xef in a name', get('\xeffoo: bar'), refused()],
	['0x85 at the end of a name', get('Header\x85: value'), refused()],
	['NUL in a name', get('X\0Y: z'), refused()],
	['a quote in a name', get('X"Y: z'), refused()],
	['every sign that a name may have', get("!#$%&'*+-.^`|~: x"), passed(ECHO, { has: { "!#$%&'*+-.^`|~": 'x' } })],
	['a request line among the fields', get('GET /v1/echo?evil HTTP/1.1'), refused()],
	...hosts.map((v) => [`Host ${JSON.stringify(v.slice(0, 20))}`, request(ECHO, `Host: ${v}`), refused()]),
	['no Host', request(ECHO), refused()],
	['no Host, but a length', `${request(POST, 'Content-Length: 5')}hello`, refused()],
	['Host twice', request(ECHO, 'Host: a', 'Host: b'), refused()],
	['Host twice, the same', request(ECHO, 'Host: a', 'hOST: a'), refused()],
	['Host with a blank before its colon', request(ECHO, 'Host : a'), refused()],
	['Host in capitals behind a tab', `${ECHO}\r\nHOST:\ta\r\n\r\n`, passed()],
	['Host with a port', request(ECHO, 'Host: a:8080'), passed(ECHO, { has: { 'x-forwarded-host': 'a:8080', host: 'echo' } })],
	['Host of IPv6', request(ECHO, 'Host: [::1]:80'), passed(ECHO, { has: { 'x-forwarded-host': '[::1]:80' } })],
	['Host lacks in HTTP/1.0', request('GET /v1/echo HTTP/1.0'), { answers: [[200]], closed: true, seen: [ECHO] }],
	['HTTP/1.0 kept alive', request('GET /v1/echo HTTP/1.0', 'Host: a', 'Connection: keep-alive'), passed()],
];

export const targets = [
	...['/v1/x/../echo', '/v1/./echo', '/./v1/echo', '/v1/%2e/echo', '/v1/%2E/echo', '/v1/x/%2e%2e/echo', '/v1/x/.%2E/echo', '/v1/x/%2e./echo', '/v1/x/y/../../echo', '/v1/ech%6F', '/%76%31/echo']
		.map((v) => [`path ${v} is /v1/echo`, at(v), passed()]),
	...['/internal/echo', '/v1/../internal/echo', '/v1/%2e%2e/internal/echo', '/v1/.%2e/internal/echo', '/%69nternal/echo', '/internal/./echo', '/v1/echo/../../internal/echo', '/internal/x/%2E%2e/echo', '/internal//echo', '/internal/echo/', '/internal%2Fecho',
		'/v1/echo/..%2f..%2finternal/echo', '/v1/echo%2f..%2f..%2finternal%2fecho', '/v1/%252e%252e/internal/echo', '/v1/%c0%ae%c0%ae/internal/echo', '/v1/..;/internal/echo', '/INTERNAL/echo']
		.map((v) => [`path ${v} leads nowhere`, at(v), { answers: [[400, 404]], closed: undefined, seen: [] }]),
	...['//v1/echo', '/v1//echo', '/v1/echo/', '/v1/echo//', '/v1%2Fecho', '/v1/echo;x=1', '/v1/echo%20', '/v1/Echo', '/v1/echo%2e', '/v1/echo%3Fx', '/v1/echo%23', '/v1/echo%0d%0aX:y', '/v1/echo/%2e%2f', '/v1/echo%ff']
		.map((v) => [`path ${v} is another`, at(v), { answers: [[400, 404]], closed: undefined, seen: [] }]),
	...['/v1\\echo', '/v1/echo\\', '/v1/x/..\\echo', '/v1/echo%', '/v1/echo%2', '/v1/echo%zz', '/v1/echo%-1', '/v1/echo%00', '/v1/%00', '/v1/echo?%00', '/v1/echo?%', '/v1/echo?%u0041', '/v1/echo#x', '/v1/echo?x#y', '/v1/echo?a\\b', '/v1/echo?a"b', '/v1/echo?a<b', '/v1/ech\xc3\xb6',
		'/v1/echo?\xff', '/v1/echo\x7f', '/v1/"echo', '/v1/<echo', '/v1/{echo}', '/v1/ec|ho', '/v1/ec^ho', '/v1/[echo]', '/v1/`echo']
		.map((v) => [`target ${JSON.stringify(v)}`, at(v), refused()]),
	...['!', '*', '**', '/*x y', 'v1/echo', './v1/echo', '?x', '#', 'a', 'a:80', 'a.example/v1/echo', 'http:', 'http:/v1/echo', 'http:///v1/echo', 'http://', 'http://?x', 'ftp://a/v1/echo', 'file:///etc/passwd', 'http://u@a/v1/echo', 'http://u:p@a/v1/echo', 'http://a:b/v1/echo', 'http://a\\b/v1/echo',
		'http://b/v1/echo', 'http://a:80/v1/echo', 'http://a.evil/v1/echo', 'http://a#/v1/echo', 'http://a%2fv1/echo', 'https://b/v1/echo', 'javascript:alert(1)', 'urn:a:b', '%2Fv1/echo']
		.map((v) => [`target ${v} with Host a`, at(v), refused()]),
	['absolute form', at('http://a/v1/echo?x'), passed('GET /v1/echo?x HTTP/1.1', { has: { host: 'echo', 'x-forwarded-host': 'a' } })],
	['absolute form in capitals', at('HTTP://A/v1/echo'), passed()],
	['absolute form with dots', at('http://a/v1/x/../echo'), passed()],
	['absolute form without Host', request('GET http://a/v1/echo HTTP/1.1'), refused()],
	['absolute form into the inside', at('http://a/internal/echo'), own(404)],
	['OPTIONS *', request('OPTIONS * HTTP/1.1', 'Host: a'), own(204)],
	['OPTIONS *?x', request('OPTIONS *?x HTTP/1.1', 'Host: a'), refused()],
	['GET *', at('*'), refused()],
	['%2F in a parameter stays', at('/v1/items/a%2Fb'), own(401)],
	['a query stays as it is', at('/v1/echo?a=%0d%0aX-Evil:%201&b=%2F..%2f&c={x|y}^`[]'), passed('GET /v1/echo?a=%0d%0aX-Evil:%201&b=%2F..%2f&c={x|y}^`[] HTTP/1.1', { hasNot: ['x-evil'] })],
	['an empty query', at('/v1/echo?'), passed('GET /v1/echo? HTTP/1.1')],
	['a query of question marks', at('/v1/echo???'), passed('GET /v1/echo??? HTTP/1.1')],
	['a query with dots and slashes', at('/v1/echo?/../internal/echo'), passed('GET /v1/echo?/../internal/echo HTTP/1.1')],
];

const many = (count, n = 10) => Array.from({ length: count }, (_, i) => `X-${i}: ${'a'.repeat(n)}`);
export const sizesOfThings = [
	['a target of 9,000 bytes', at(`/v1/echo?${'a'.repeat(9000)}`), refused(414)],
	['a target of 8,000 bytes', at(`/v1/echo?${'a'.repeat(8000)}`), passed(`GET /v1/echo?${'a'.repeat(8000)} HTTP/1.1`)],
	['a request line without an end', `GET /${'a'.repeat(12000)}`, refused(414)],
	['a method without an end', 'A'.repeat(12000), refused(400, 414, 431, 501)],
	['one field of 17,000 bytes', get(`X: ${'a'.repeat(17000)}`), refused(431)],
	['one name of 17,000 bytes', get(`${'X'.repeat(17000)}: a`), refused(431)],
	['a field without an end', `${ECHO}\r\nHost: a\r\nX: ${'a'.repeat(17000)}`, refused(431)],
	['101 fields', get(...many(100)), refused(431)],
	['100 fields', get(...many(99)), passed(ECHO, { has: { 'x-98': 'a'.repeat(10) } })],
	['90 fields of 400 bytes', get(...many(90, 400)), refused(431)],
	['10,000 fields', get(...many(10000, 1)), refused(431)],
	['a body over the limit of the operation', `${post('Content-Length: 16385')}${'a'.repeat(16385)}`, refused(413)],
	['a body at the limit of the operation', `${post('Content-Length: 16384')}${'a'.repeat(16384)}`, passed(POST, { body: 'a'.repeat(16384) })],
	['chunks over the limit of the operation', chunked(`3000\r\n${'a'.repeat(0x3000)}\r\n3000\r\n${'a'.repeat(0x3000)}\r\n0\r\n\r\n`), refused(413)],
	['a body over the limit of nobody', `${request('POST /v1/nothing HTTP/1.1', 'Host: a', 'Content-Length: 70000')}${'a'.repeat(70000)}`, refused(413)],
	['a body over the limit, with Expect', post('Content-Length: 16385', 'Expect: 100-continue'), refused(413)],
];

const forged = ['X-Yangguang-Identity', 'x-yangguang-deadline-ms', 'X-YANGGUANG-ANYTHING', 'X_Yangguang_Identity', 'X-Yangguang_Identity', 'X-Forwarded-User', 'X_Forwarded_For', 'Forwarded', 'X-Real-IP', 'X-Client-Cert', 'Client-Cert', 'Client-Cert-Chain',
	'Client_Cert', 'X-SSL-Client-Cert', 'X-SSL-Client-Verify', 'X-Original-URL', 'X-Rewrite-URL', 'X-Original-Host', 'X-Host', 'X-HTTP-Method', 'X-Method-Override', 'Request-Id', 'X-User-Id', 'X-Authenticated-User', 'True-Client-IP',
	'Proxy', 'Proxy-Authorization', 'Proxy-Connection', 'X-Api_Key', 'Surrogate-Capability'];
const hops = [['Keep-Alive', 'timeout=5'], ['TE', 'trailers'], ['Trailer', 'X'], ['Upgrade', 'websocket'], ['Proxy-Authenticate', 'x'], ['Proxy-Connection', 'keep-alive']];
export const fields = [
	...forged.map((name) => [`a client's ${name}`, get(`${name}: forged`), passed(ECHO, { nowhere: 'forged' })]),
	...['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Request-Id', 'traceparent'].map((name) => [`a client's ${name} gives way to ours`, get(`${name}: forged`), passed(ECHO, { nowhere: 'forged', once: [name.toLowerCase()] })]),
	...hops.map(([name, value]) => [`${name} ends here`, get(`${name}: ${value}`), passed(ECHO, { hasNot: [name.toLowerCase(), 'connection'] })]),
	['what Connection names ends here', get('Connection: X-Hop, x-other', 'X-Hop: 1', 'X-Other: 2', 'X-Kept: 3'), passed(ECHO, { hasNot: ['x-hop', 'x-other', 'connection'], has: { 'x-kept': '3' } })],
	['what several Connections name ends here', get('Connection: X-Hop', 'Connection: x-other', 'X-Hop: 1', 'X-Other: 2'), passed(ECHO, { hasNot: ['x-hop', 'x-other', 'connection'] })],
	['Connection cannot take what the gateway says', get('Connection: X-Yangguang-Identity, X-Yangguang-Deadline-Ms, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id, traceparent, Host'),
		passed(ECHO, { once: ['x-yangguang-identity', 'x-yangguang-deadline-ms', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-request-id', 'traceparent', 'host'] })],
	['Connection cannot take the length', `${post('Connection: Content-Length', 'Content-Length: 5')}hello`, passed(POST, { body: 'hello', once: ['content-length'] })],
	['Connection cannot take the coding', `${post('Connection: Transfer-Encoding', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`, passed(POST, { body: 'hello' })],
	['what Connection names is unseen by the gateway too', `${post('Connection: X-HTTP-Method-Override', 'X-HTTP-Method-Override: DELETE', 'Content-Length: 5')}hello`, passed(POST, { body: 'hello' })],
	['a credential that Connection names is none', at(item, 'Connection: Authorization', 'Authorization: Bearer x.y.z'), own(401)],
	['Connection names more than a connection has', get(`Connection: ${'a,'.repeat(40)}`), own(431)],
	['Connection: close', get('Connection: close'), { answers: [[200]], closed: true, seen: [ECHO] }],
	['Connection: close among others', get('Connection: x, CLOSE ,y'), { answers: [[200]], closed: true, seen: [ECHO] }],
	['Connection: keep-alive and close', get('Connection: keep-alive, close'), { answers: [[200]], closed: true, seen: [ECHO] }],
	['Authorization ends here', get('Authorization: Basic eDp5'), { ...passed(ECHO, {}), seenMayCarry: true }],
	['two credentials', at(item, 'Authorization: Bearer x', 'Authorization: Bearer y'), own(400, 401)],
	['override to PATCH', `${request(`POST ${item} HTTP/1.1`, 'Host: a', 'X-HTTP-Method-Override: PATCH', 'Content-Length: 0')}`, own(401)],
	...['DELETE', 'patch', 'PATCH ', 'PATCH /evil HTTP/1.1', 'GET', '', 'PATCH,PATCH'].filter((v) => v !== 'PATCH ').map((v) => [`override ${JSON.stringify(v)}`, post(`X-HTTP-Method-Override: ${v}`, 'Content-Length: 0'), own(400)]),
	['override on a GET', get('X-HTTP-Method-Override: PATCH'), own(400)],
	['override twice', post('X-HTTP-Method-Override: PATCH', 'X-HTTP-Method-Override: DELETE', 'Content-Length: 0'), own(400)],
	['a trace of odd bytes begins anew', get('traceparent: 00-\xff-"-01', 'tracestate: evil="\\'), passed(ECHO, { nowhere: '\xff', once: ['traceparent'], hasNot: ['tracestate'] })],
	['a foreign Origin with odd bytes is not echoed', get('Origin: https://app.example\xff'), { ...passed(ECHO), answerHasNot: '\xff' }],
	['a language with odd bytes is not echoed', at('/v1/nothing', 'Accept-Language: en;q=1, \xff<script>'), { ...own(404), answerHasNot: '<script>' }],
	['a path is not echoed', at('/v1/%3Cscript%3E'), { ...own(404), answerHasNot: 'script' }],
	['Expect: 100-continue', [post('Content-Length: 5', 'Expect: 100-continue'), '<100>', 'hello'], passed(POST, { body: 'hello', hasNot: ['expect'] })],
	['Expect: 100-CONTINUE with chunks', [post('Transfer-Encoding: chunked', 'Expect: 100-CONTINUE'), '<100>', '5\r\nhello\r\n0\r\n\r\n'], passed(POST, { body: 'hello' })],
	['Expect that the body did not wait for', `${post('Content-Length: 5', 'Expect: 100-continue')}hello`, passed(POST, { body: 'hello' })],
	['Expect without a body', get('Expect: 100-continue'), passed()],
	['Expect in HTTP/1.0', `${request('POST /v1/echo HTTP/1.0', 'Host: a', 'Content-Length: 5', 'Expect: anything')}hello`, { answers: [[200]], closed: true, seen: [POST] }],
	...['anything', '100-continue, x', '200-ok', '', '100-continue;x', '100'].map((v) => [`Expect: ${v}`, `${post('Content-Length: 5', `Expect: ${v}`)}hello`, refused(417)]),
	['upgrade to h2c', get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'), passed(ECHO, { hasNot: ['upgrade', 'http2-settings', 'connection'] })],
	['upgrade to h2c with a preface behind it', `${get('Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk')}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`, several([200, [400, 505]], [ECHO], true)],
	['upgrade to WebSocket', get('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='), passed(ECHO, { hasNot: ['upgrade', 'connection'] })],
	['upgrade to WebSocket with frames behind it', `${get('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')}\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58`, several([200, BAD], [ECHO], true)],
	['upgrade to TLS', get('Connection: Upgrade', 'Upgrade: TLS/1.2'), passed(ECHO, { hasNot: ['upgrade'] })],
	['upgrade with a body', `${post('Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 5')}hello${request(TWO, 'Host: a')}`, several([200, 200], [POST, TWO], false)],
];

const one = (n) => request(`GET /v1/echo?n=${n} HTTP/1.1`, 'Host: a');
export const connections = [
	['three at once', one(1) + one(2) + one(3), several([200, 200, 200], [1, 2, 3].map((n) => `GET /v1/echo?n=${n} HTTP/1.1`), false)],
	['a good one, then rubbish', `${one(1)}rubbish\r\n\r\n`, several([200, BAD], ['GET /v1/echo?n=1 HTTP/1.1'], true)],
	['a good one, then both framings', `${one(1)}${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${EVIL}`, several([200, BAD], ['GET /v1/echo?n=1 HTTP/1.1'], true)],
	['a good one, then CONNECT, then a good one', `${one(1)}${request('CONNECT a:1 HTTP/1.1', 'Host: a')}${EVIL}`, several([200, [400, 405, 501]], ['GET /v1/echo?n=1 HTTP/1.1'], true)],
	['a good one, then a bad chunk, then a good one', `${one(1)}${chunked('5x\r\nhello\r\n0\r\n\r\n')}${EVIL}`, several([200, BAD], ['GET /v1/echo?n=1 HTTP/1.1'], true)],
	['nothing is read behind Connection: close', `${get('Connection: close')}${EVIL}`, several([200], [ECHO], true)],
	['rubbish behind Connection: close', `${get('Connection: close')}Invalid\r\n\r\n`, several([200], [ECHO], true)],
	['nothing is read behind HTTP/1.0', `${request('GET /v1/echo HTTP/1.0')}${EVIL}`, several([200], [ECHO], true)],
	['the gateway\'s own answers in between', `${at('/v1/nothing')}${one(1)}${at('/v1/nothing')}${one(2)}`, several([404, 200, 404, 200], ['GET /v1/echo?n=1 HTTP/1.1', 'GET /v1/echo?n=2 HTTP/1.1'], false)],
	['a request in single bytes', [...get()], passed()],
	['chunks in single bytes', [...chunked('5;x\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n')], passed(POST, { body: 'hello' })],
	['a bad chunk in single bytes', [...chunked('5\r\nhelloX\r\n0\r\n\r\n')], refused()],
	['the end of sending behind a request', [get(), '<end>'], { answers: [[200]], closed: true, seen: [ECHO] }],
	['the end of sending behind two requests', [one(1) + one(2), '<end>'], several([200, 200], [1, 2].map((n) => `GET /v1/echo?n=${n} HTTP/1.1`), true)],
	['the end of sending in the middle of a head', [`${ECHO}\r\nHost:`, '<end>'], refused()],
	['the end of sending in the middle of a body', [`${post('Content-Length: 5')}hel`, '<end>'], refused()],
	['the end of sending in the middle of a chunk', [chunked('5\r\nhel'), '<end>'], refused()],
	['the end of sending before the last chunk', [chunked('5\r\nhello\r\n'), '<end>'], refused()],
	['the end of sending in the middle of the trailers', [chunked('5\r\nhello\r\n0\r\nX: y\r\n'), '<end>'], refused()],
	['the end of sending at once', ['<end>'], { answers: [], closed: true, seen: [] }],
	['the end of sending behind an empty line', ['\r\n', '<end>'], { answers: undefined, closed: true, seen: [] }],
];

/* ── every byte in every place that matters ── */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]/;
const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i));
const name = (c) => `0x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
export const sweeps = {
	'a coding and a length, with a byte before, within, behind': bytes.filter((c) => !TOKEN.test(c)).flatMap((c) => [
		[`value begins with ${name(c)}`, `Transfer-Encoding:${c}chunked`], [`name ends with ${name(c)}`, `Transfer-Encoding${c}: chunked`], [`name begins with ${name(c)}`, `${c}Transfer-Encoding: chunked`],
		[`value ends with ${name(c)}`, `Transfer-Encoding: chunked${c}`], [`around the name ${name(c)}`, `${c}Transfer-Encoding${c}: chunked`], [`around the colon ${name(c)}`, `Transfer-Encoding${c}:${c}chunked`], [`around the value ${name(c)}`, `Transfer-Encoding:${c}chunked${c}`],
		[`around the line ${name(c)}`, `${c}Transfer-Encoding: chunked${c}`],
	]).map(([n, field]) => [n, `${post(field, 'Content-Length: 5')}0\r\n\r\n`, refused(400, 501)]),
	'a byte in a field name': bytes.map((c) => [name(c), get(`X${c}Y: kept`), TOKEN.test(c) ? passed() : c === ':' ? passed() : refused()]),
	'a byte in a field value': bytes.map((c) => [name(c), get(`X-Text: a${c}b`), /[\t\x20-\x7e\x80-\xff]/.test(c) ? passed(ECHO, { has: { 'x-text': `a${c}b` } }) : refused()]),
	'a byte in Host': bytes.map((c) => [name(c), request(ECHO, `Host: a${c}1`), /[A-Za-z0-9._~:-]/.test(c) ? passed() : refused()]),
	'a byte in the path': bytes.map((c) => [name(c), at(`/v1/items/a${c}b/`), /[A-Za-z0-9._~!$&'()*+,;=:@/-]/.test(c) ? own(404) : c === '?' ? own(401, 404) : refused()]),
	'a byte in the query': bytes.map((c) => [name(c), at(`/v1/echo?a${c}b`), /[A-Za-z0-9._~!$&'()*+,;=:@/?[\]{}|^`-]/.test(c) ? passed(`GET /v1/echo?a${c}b HTTP/1.1`) : refused()]),
	'a byte in the method': bytes.map((c) => [name(c), request(`G${c}T /v1/echo HTTP/1.1`, 'Host: a'), c === 'E' ? passed() : { answers: [[400, 501]], closed: undefined, seen: [] }]),
	'a byte behind a chunk size': bytes.filter((c) => !/[0-9a-fA-F]/.test(c)).map((c) => [name(c), chunked(`5${c}\r\nhello\r\n0\r\n\r\n`), c === ';' ? passed(POST) : refused(400, 413)]),
	'a byte in a chunk extension': bytes.map((c) => [name(c), hello(`5;a=${c}`), { answers: [/[\0-\x08\x0a-\x1f\x7f]/.test(c) ? BAD : [200, 400]], closed: undefined, seen: undefined }]),
};
