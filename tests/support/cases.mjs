// Runs the declared cases of one operation (tests/contract/README.md says how they are written): prepare, call, compare.
import { randomBytes, randomUUID } from 'node:crypto';
import { at } from './contracts.mjs';
import { checkProblem } from './schema.mjs';

/** An expectation that was not met: shown without a stack. */
export class Mismatch extends Error {
	constructor(message) {
		super(message);
		this.expected = true;
	}
}

const beijingDate = (days) => new Date(Date.now() + 8 * 3600e3 + days * 86400e3).toISOString().slice(0, 10);

function builtIn(name) {
	const day = /^today([+-]\d+)?$/.exec(name);
	if (day) return beijingDate(Number(day[1] ?? 0));
	if (name === 'new.uuid') return randomUUID();
	if (name === 'new.key') return randomBytes(12).toString('hex');
	if (name === 'now') return new Date().toISOString();
	return undefined;
}

/** Puts saved values in the place of ${name}; a string that is nothing else takes the value's own type. */
export function substitute(value, saved) {
	const look = (name) => {
		const found = name in saved ? saved[name] : builtIn(name);
		if (found === undefined) throw new Mismatch(`\${${name}} is not known; saved so far: ${Object.keys(saved).join(', ') || 'nothing'}`);
		return found;
	};
	if (typeof value === 'string') {
		const whole = /^\$\{([^}]+)\}$/.exec(value);
		return whole ? look(whole[1]) : value.replace(/\$\{([^}]+)\}/g, (_, name) => String(look(name)));
	}
	if (Array.isArray(value)) return value.map((one) => substitute(one, saved));
	if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, substitute(one, saved)]));
	return value;
}

export function buildTarget(operation, { path = {}, query = {} }) {
	const filled = operation.path.replace(/\{([^}]+)\}/g, (_, name) => {
		if (path[name] === undefined) throw new Mismatch(`path parameter ${name} of ${operation.id} is not given`);
		return encodeURIComponent(path[name]);
	});
	const search = new URLSearchParams(Object.entries(query).flatMap(([key, value]) => [].concat(value).map((one) => [key, String(one)])));
	return search.size ? `${filled}?${search}` : filled;
}

/** Form bodies are written as mappings in the cases too. */
const encodeBody = (operation, body) => (operation.bodyType === 'application/x-www-form-urlencoded' && body && typeof body === 'object' ? new URLSearchParams(body).toString() : body);

/** Makes one call as its principal, counts it for coverage and checks the answer against the contract. Gives {answer, faults}. */
export async function call(context, operation, { as, path, query, headers = {}, body, raw, method }) {
	const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
	const sent = { ...await context.principals.headers(as), ...lower };
	if (operation.idempotency === 'required' && !('idempotency-key' in sent)) sent['idempotency-key'] = randomUUID();
	const payload = raw ?? encodeBody(operation, body);
	if (payload !== undefined && operation.bodyType && operation.bodyType !== '*/*' && !('content-type' in sent)) sent['content-type'] = operation.bodyType;
	const verb = method ?? operation.method;
	const answer = await context.client.request(verb, buildTarget(operation, { path, query }), { headers: sent, body: payload });
	context.coverage.record(operation.id, answer.status);
	const faults = context.schemas.checkAnswer(operation, answer, { head: verb === 'HEAD' });
	if (answer.status >= 400 && verb !== 'HEAD') faults.push(...checkProblem(answer, null, /^en/.test(sent['accept-language'] ?? '') ? 'en' : 'zh'));
	return { answer, faults };
}

/** How an expected value differs from the real one; empty when it is contained in it. "/…/" is a regular expression, null means absent. */
export function differences(expected, real, where = '') {
	if (expected === null) return real === undefined || real === null ? [] : [`${where}: ${JSON.stringify(real)} should not be there`];
	const pattern = typeof expected === 'string' && /^\/(.*)\/(i?)$/s.exec(expected);
	if (pattern) return new RegExp(pattern[1], pattern[2]).test(String(real ?? '')) && real !== undefined ? [] : [`${where}: ${JSON.stringify(real)} does not match ${expected}`];
	if (Array.isArray(expected)) {
		if (!Array.isArray(real)) return [`${where}: ${JSON.stringify(real)} is not an array`];
		if (expected.length === 0 && real.length) return [`${where}: ${real.length} items, none expected`];
		return expected.flatMap((one, i) => differences(one, real[i], `${where}/${i}`));
	}
	if (typeof expected === 'object') {
		if (!real || typeof real !== 'object') return [`${where}: ${JSON.stringify(real)} is not an object`];
		return Object.entries(expected).flatMap(([key, one]) => differences(one, real[key], `${where}/${key}`));
	}
	return expected === real ? [] : [`${where}: ${JSON.stringify(real)} is not ${JSON.stringify(expected)}`];
}

/** "/amount_fen", "query.limit" — whatever names the place of a violation. */
export const violationPlaces = (problem) => (problem?.errors ?? []).map((error) => (error.pointer !== undefined ? error.pointer.replace(/^#/, '') : error.parameter));

export function checkExpectation(expect, answer, context = {}) {
	const faults = [];
	if (expect.status !== undefined && answer.status !== expect.status) faults.push(`status ${answer.status} is not ${expect.status}`);
	for (const [name, wanted] of Object.entries(expect.headers ?? {})) faults.push(...differences(wanted, answer.headers[name.toLowerCase()], `header ${name}`));
	if (expect.body !== undefined) faults.push(...differences(expect.body, answer.json, 'body'));
	if (expect.text !== undefined) faults.push(...differences(expect.text, answer.text, 'text'));
	if (expect.problem) faults.push(...checkProblem(answer, expect.problem, context.language));
	const places = violationPlaces(answer.json);
	for (const place of expect.errors ?? []) if (!places.includes(place)) faults.push(`errors do not name ${place}, but ${places.join(', ') || 'nothing'}`);
	return faults;
}

const describe = (answer) => `${answer.status} ${answer.text.slice(0, 1000)}`;

function save(wishes, answer, saved) {
	for (const [name, from] of Object.entries(wishes ?? {})) {
		const value = from.startsWith('header:') ? answer.headers[from.slice(7).toLowerCase()] : at(answer.json, from);
		if (value === undefined) throw new Mismatch(`nothing at ${from} to save as ${name}: ${describe(answer)}`);
		saved[name] = value;
	}
}

/** One earlier step: {sql}, {standin, call, body}, or a call that must succeed unless it says what it expects. */
async function prepareStep(context, wish, saved) {
	const step = substitute(wish, saved);
	if (step.sql) {
		const rows = await context.sql(step.sql);
		for (const [i, name] of (step.columns ?? []).entries()) saved[name] = rows[0]?.[i];
	} else if (step.standin) {
		const result = await context.control(step.standin, step.method ?? 'POST', step.call, step.body ?? {});
		if (result.status >= 300) throw new Mismatch(`stand-in ${step.standin} ${step.call}: ${result.status} ${JSON.stringify(result.body)}`);
	} else if (step.wait_ms) {
		await new Promise((done) => { setTimeout(done, step.wait_ms); });
	} else {
		const operation = context.contracts.byId.get(step.operation);
		if (!operation) throw new Mismatch(`prepare: no operation ${step.operation}`);
		const { answer } = await retryUntil(step, () => call(context, operation, step));
		const faults = checkExpectation(step.expect ?? {}, answer);
		if (!step.expect && answer.status >= 300) faults.push(`status ${answer.status}`);
		if (faults.length) throw new Mismatch(`prepare ${step.operation}: ${faults.join('; ')}: ${describe(answer)}`);
		save(wish.save, answer, saved);
	}
}

/** `within_ms`: something that happens a moment later may be asked for again until the expectation holds. */
async function retryUntil(step, attempt) {
	const end = Date.now() + (step.within_ms ?? 0);
	for (;;) {
		const result = await attempt();
		if (Date.now() >= end || checkExpectation(step.expect ?? {}, result.answer).length === 0) return result;
		await new Promise((done) => { setTimeout(done, 25); });
	}
}

/** Everything before the call itself; gives the case with its values put in. */
export async function prepareCase(context, wish) {
	const saved = {};
	for (const step of wish.prepare ?? []) await prepareStep(context, step, saved);
	if (wish.sql) await context.sql(substitute(wish.sql, saved));
	const { prepare, sql, name, ...rest } = wish;
	return substitute(rest, saved);
}

export async function runCase(context, operation, wish) {
	const ready = await prepareCase(context, wish);
	const { answer, faults } = await retryUntil(ready, () => call(context, operation, ready));
	const language = /^en/.test(ready.headers?.['accept-language'] ?? '') ? 'en' : 'zh';
	const all = [...faults, ...checkExpectation(ready.expect ?? {}, answer, { language })];
	if (all.length) throw new Mismatch(`${all.join('\n')}\nanswer: ${describe(answer)}`);
}
