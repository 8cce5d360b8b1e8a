// Cases that follow from the contract alone: what every operation must refuse, and how HEAD, OPTIONS and other methods must answer.
// They start from the operation's first successful case, so that only the one thing under test is wrong.
import { call, buildTarget, Mismatch, violationPlaces } from './cases.mjs';
import { checkProblem } from './schema.mjs';

/** Status and slug of each refusal, in one place. */
export const REFUSALS = {
	unauthenticated: [401, 'unauthenticated'],
	tokenInvalid: [401, 'token-invalid'],
	scope: [403, 'insufficient-scope'],
	malformed: [400, 'malformed-json'],
	doubled: [400, 'duplicate-key'],
	nested: [400, 'nesting-too-deep'],
	value: [422, 'validation-failed'],
	tooLarge: [413, 'payload-too-large'],
	mediaType: [415, 'unsupported-media-type'],
	unknownParameter: [400, 'unknown-parameter'],
	keyMissing: [400, 'idempotency-key-missing'],
	keyInvalid: [400, 'idempotency-key-invalid'],
	method: [405, 'method-not-allowed'],
};

const DEPTH = 3;
const NESTING = 100;
const LENGTH_MAX = 20000;

const typeOf = (value) => (Array.isArray(value) ? 'array' : value === null ? 'null' : Number.isInteger(value) ? 'integer' : typeof value);

/** Flattens $ref and allOf of a schema into one object of keywords; properties keep their places for further descent. */
function flatten(contracts, place, depth = 0) {
	const whole = contracts.resolve(place);
	const { node } = whole;
	if (!node || typeof node !== 'object' || depth > 8) return { keywords: {}, properties: {} };
	const parts = (node.allOf ?? []).map((_, i) => flatten(contracts, { node: node.allOf[i], file: whole.file, pointer: `${whole.pointer}/allOf/${i}` }, depth + 1));
	const properties = Object.fromEntries(Object.keys(node.properties ?? {}).map((name) => [name, contracts.child(whole, 'properties', name)]));
	return {
		keywords: Object.assign({}, ...parts.map((p) => p.keywords), node, { required: [...parts.flatMap((p) => p.keywords.required ?? []), ...(node.required ?? [])] }),
		properties: Object.assign({}, ...parts.map((p) => p.properties), properties),
	};
}

/** Values that a schema must refuse, each with what it breaks. */
function badValues({ type, enum: list, minimum, maximum, minLength, maxLength, format, pattern, const: fixed }) {
	const allowed = [].concat(type ?? (list ?? (fixed !== undefined ? [fixed] : [])).map(typeOf));
	const found = [];
	if (allowed.length) {
		const wrong = [{ yg: 1 }, 'yg', 12.5, true, [1]].find((value) => !allowed.includes(typeOf(value)) && !(typeof value === 'number' && allowed.includes('number')));
		if (wrong !== undefined) found.push(['has a wrong type', wrong]);
	}
	if (list && allowed.includes('string')) found.push(['is not one of its values', 'YG_NOT_THERE']);
	if (Number.isSafeInteger(minimum)) found.push(['is below its minimum', minimum - 1]);
	if (Number.isSafeInteger(maximum) && maximum < Number.MAX_SAFE_INTEGER) found.push(['is above its maximum', maximum + 1]);
	if (minLength > 0 && allowed.includes('string')) found.push(['is too short', 'x'.repeat(minLength - 1)]);
	if (maxLength < LENGTH_MAX && allowed.includes('string')) found.push(['is too long', 'x'.repeat(maxLength + 1)]);
	if ((format || pattern) && allowed.includes('string') && !list) found.push(['has a wrong form', '\u00a0?']);
	return found;
}

function withValue(body, names, value) {
	const copy = structuredClone(body ?? {});
	let holder = copy;
	for (const name of names.slice(0, -1)) holder = holder[name] = holder[name] && typeof holder[name] === 'object' ? holder[name] : {};
	const last = names.at(-1);
	if (value === undefined) delete holder[last];
	else holder[last] = value;
	return copy;
}

/** [{title, body, places}]: bodies with one thing wrong, each confirmed as wrong by the independent validator. */
export function badBodies(contracts, schemas, operation, body) {
	const found = [];
	const validate = schemas.validator(operation.bodySchema);
	const add = (title, names, value, places) => {
		const bad = withValue(body, names, value);
		const errors = validate(bad);
		if (errors.some((error) => places.includes(error.instancePath) || error.instancePath === names.slice(0, -1).map((n) => `/${n}`).join(''))) found.push({ title, body: bad, places });
	};
	const walk = (place, names) => {
		const { keywords, properties } = flatten(contracts, place);
		const parent = names.map((name) => `/${name}`).join('');
		/* A validator may name the parent for these two, so they count only where nothing else is wrong with the parent. */
		const whole = names.reduce((holder, name) => holder?.[name], body ?? {}) !== undefined;
		for (const [name, child] of Object.entries(properties)) {
			const pointer = `${parent}/${name}`;
			const inner = flatten(contracts, child);
			for (const [title, value] of badValues(inner.keywords)) add(`${pointer} ${title}`, [...names, name], value, [pointer]);
			if (whole && keywords.required?.includes(name)) add(`${pointer} is missing`, [...names, name], undefined, [pointer, parent]);
			if (Object.keys(inner.properties).length && names.length + 1 < DEPTH) walk(child, [...names, name]);
		}
		if (whole && keywords.additionalProperties === false) add(`${parent}/yg_unknown is not known`, [...names, 'yg_unknown'], 1, [`${parent}/yg_unknown`, parent]);
	};
	walk(operation.bodySchema, []);
	return found;
}

function bodyCases(context, operation, base) {
	const cases = [{ title: 'a body of another media type', refusal: 'mediaType', change: { headers: { ...base.headers, 'content-type': 'application/yg' } } }];
	if (base.body === undefined) return cases;
	cases.push({ title: 'a body in another charset', refusal: 'mediaType', change: { headers: { ...base.headers, 'content-type': `${operation.bodyType}; charset=gb18030` } } });
	cases.push({ title: 'a body of an encoding nobody has', refusal: 'mediaType', change: { headers: { ...base.headers, 'content-encoding': 'yg' } } });
	const big = operation.bodyType === 'application/json' ? JSON.stringify({ yg: 'x'.repeat(operation.bodyBytesMax) }) : 'x'.repeat(operation.bodyBytesMax + 1);
	cases.push({ title: 'a body over the limit', refusal: 'tooLarge', change: { raw: big } });
	if (operation.bodyType !== 'application/json' && !operation.bodyType.endsWith('+json')) return cases;
	const text = JSON.stringify(base.body);
	const [first] = Object.keys(base.body);
	const malformed = {
		'a cut body': text.slice(0, -1), 'bytes after the body': `${text} {}`, 'an empty body': '', 'a body that is not UTF-8': Buffer.concat([Buffer.from('{"yg":"'), Buffer.from([0xff]), Buffer.from('"}')]),
	};
	cases.push({ title: 'a body nested too deeply', refusal: 'nested', change: { raw: `{"yg":${'['.repeat(NESTING)}${']'.repeat(NESTING)}}` } });
	if (first) cases.push({ title: 'a repeated member', refusal: 'doubled', change: { raw: text.replace(/^\{/, `{${JSON.stringify(first)}:${JSON.stringify(base.body[first])},`) } });
	for (const [title, raw] of Object.entries(malformed)) {
		if (raw === '' && !operation.bodyRequired) continue;
		cases.push({ title, refusal: 'malformed', change: { raw } });
	}
	cases.push({ title: 'a body that is no object', refusal: 'value', change: { raw: '[]' } });
	for (const bad of badBodies(context.contracts, context.schemas, operation, base.body)) cases.push({ title: bad.title, refusal: 'value', change: { body: bad.body }, places: bad.places });
	return cases;
}

function parameterCases(context, operation, base) {
	const cases = [{ title: 'an unknown query parameter', refusal: 'unknownParameter', change: { query: { ...base.query, yg_unknown: 1 } } }];
	for (const parameter of operation.parameters) {
		const { node } = parameter;
		if (node.in === 'header' || !node.schema) continue;
		const { keywords } = flatten(context.contracts, context.contracts.child(parameter, 'schema'));
		for (const [title, value] of parameterValues(keywords)) {
			cases.push({ title: `${node.in}.${node.name} ${title}`, refusal: 'value', places: [`${node.in}.${node.name}`], change: { [node.in]: { ...base[node.in], [node.name]: value } } });
		}
	}
	return cases;
}

/* On the wire everything is text: only values whose text cannot be read as the type count. */
function parameterValues(keywords) {
	const types = [].concat(keywords.type ?? []);
	const text = types.includes('string');
	const unread = text || types.includes('array') || types.length === 0 ? [] : [['has a wrong type', 'yg']];
	return [...unread, ...badValues(keywords).filter(([title, value]) => title !== 'has a wrong type' && String(value) !== '')];
}

function accessCases(operation, base) {
	if (operation.access !== 'token') return [];
	return [
		{ title: 'nobody signed in', refusal: 'unauthenticated', change: { as: 'anonymous' }, headers: { 'www-authenticate': /./ } },
		{ title: 'a token nobody issued', refusal: 'tokenInvalid', change: { as: 'anonymous', headers: { ...base.headers, authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' } }, headers: { 'www-authenticate': /./ } },
	];
}

async function scopeCases(context, operation) {
	if (operation.access !== 'token' || operation.scopes.length === 0) return [];
	const as = await context.principals.without(operation.scopes);
	return as ? [{ title: `${as}, who lacks the scope`, refusal: 'scope', change: { as } }] : [];
}

function keyCases(operation, base) {
	if (operation.idempotency !== 'required') return [];
	return [
		{ title: 'no Idempotency-Key', refusal: 'keyMissing', change: { headers: { ...base.headers, 'idempotency-key': null } } },
		{ title: 'an Idempotency-Key of 256 characters', refusal: 'keyInvalid', change: { headers: { ...base.headers, 'idempotency-key': 'k'.repeat(256) } } },
	];
}

/** All refusals of an operation: [{title, refusal, change, places?, headers?}]. `base` is its first successful case, prepared. */
export async function refusalsOf(context, operation, base) {
	return [
		...accessCases(operation, base),
		...await scopeCases(context, operation),
		...keyCases(operation, base),
		...parameterCases(context, operation, base),
		...(operation.bodyType && operation.bodyType !== '*/*' ? bodyCases(context, operation, base) : []),
	];
}

export async function runRefusal(context, operation, base, { refusal, change, places, headers }) {
	const [status, slug] = REFUSALS[refusal];
	const { body, raw, ...rest } = base;
	const content = 'raw' in change || 'body' in change ? {} : { body, raw };
	const { answer, faults } = await call(context, operation, { ...rest, ...content, ...change });
	if (answer.status !== status) faults.unshift(`status ${answer.status} is not ${status}`);
	else faults.push(...checkProblem(answer, slug));
	const named = violationPlaces(answer.json);
	if (places && !places.some((place) => named.includes(place))) faults.push(`errors do not name ${places.join(' or ')}, but ${named.join(', ') || 'nothing'}`);
	for (const [name, pattern] of Object.entries(headers ?? {})) if (!pattern.test(answer.headers[name] ?? '')) faults.push(`header ${name} is missing`);
	if (faults.length) throw new Mismatch(`${faults.join('\n')}\nanswer: ${answer.status} ${answer.text.slice(0, 600)}`);
}

const listed = (answer) => (answer.headers.allow ?? '').split(',').map((name) => name.trim()).filter(Boolean);

function expectAllow(context, operation, answer) {
	const methods = context.contracts.methodsOf(operation.path);
	const wanted = [...methods, 'OPTIONS', ...(methods.includes('GET') ? ['HEAD'] : [])];
	const missing = wanted.filter((name) => !listed(answer).includes(name));
	return missing.length ? [`Allow "${answer.headers.allow ?? ''}" lacks ${missing.join(', ')}`] : [];
}

/** [[title, run]]: how the path answers to HEAD, OPTIONS and a method it does not have, and in English. */
export function methodCases(context, operation, base) {
	const target = buildTarget(operation, base);
	const fail = (faults, answer) => { if (faults.length) throw new Mismatch(`${faults.join('\n')}\nanswer: ${answer.status} ${answer.text.slice(0, 600)}`); };
	const methods = context.contracts.methodsOf(operation.path);
	const cases = [['OPTIONS tells the methods', async () => {
		const answer = await context.client.request('OPTIONS', target);
		fail([...(answer.status === 204 ? [] : [`status ${answer.status} is not 204`]), ...(answer.raw.length ? ['it has a body'] : []), ...expectAllow(context, operation, answer)], answer);
	}]];
	const other = ['DELETE', 'PUT', 'PATCH', 'GET'].find((name) => !methods.includes(name));
	if (other) {
		for (const language of ['zh', 'en']) {
			cases.push([`${other} is not allowed, said in ${language}`, async () => {
				const answer = await context.client.request(other, target, { headers: { ...await context.principals.headers(base.as), ...(language === 'en' ? { 'accept-language': 'en-GB, en;q=0.9' } : {}) } });
				fail([...(answer.status === 405 ? [] : [`status ${answer.status} is not 405`]), ...checkProblem(answer, 'method-not-allowed', language), ...expectAllow(context, operation, answer)], answer);
			}]);
		}
	}
	if (operation.method === 'GET') {
		cases.push(['HEAD is GET without its body', async () => {
			let get = (await call(context, operation, base)).answer;
			const { answer: head, faults } = await call(context, operation, { ...base, method: 'HEAD' });
			/* "As of now" is a digit shorter now and then: then the next GET has the length. */
			for (let i = 0; i < 20 && get.text.includes('"as_of"') && Number(head.headers['content-length']) !== get.raw.length; i++) get = (await call(context, operation, base)).answer;
			if (head.status !== get.status) faults.push(`status ${head.status} is not ${get.status}`);
			if (head.raw.length) faults.push('it has a body');
			for (const name of ['content-type', 'etag', 'cache-control', 'vary']) if (head.headers[name] !== get.headers[name]) faults.push(`${name} "${head.headers[name]}" is not "${get.headers[name]}"`);
			if (head.headers['content-length'] !== undefined && Number(head.headers['content-length']) !== get.raw.length) faults.push(`content-length ${head.headers['content-length']} is not ${get.raw.length}`);
			fail(faults, head);
		}]);
	}
	return cases;
}
