// Checks answers against the contracts with Ajv: status documented, media type right, required headers there, body valid.
import Ajv2020Module from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { responseOf } from './contracts.mjs';

const Ajv2020 = Ajv2020Module.default ?? Ajv2020Module;
const addFormats = addFormatsModule.default ?? addFormatsModule;
const SYMBOLS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Fifteen symbols and Luhn's check symbol modulo 32. */
export function isPublicCode(text) {
	if (!/^[0-9A-HJKMNP-TV-Z]{16}$/.test(text)) return false;
	const sum = [...text].reverse().reduce((total, symbol, i) => {
		const addend = (i % 2 === 0 ? 1 : 2) * SYMBOLS.indexOf(symbol);
		return total + Math.floor(addend / 32) + addend % 32;
	}, 0);
	return sum % 32 === 0;
}

/* GB 32100: the sum of all eighteen symbols, by powers of three, is 0 modulo 31 (the last one weighs 1). */
function isUscc(text) {
	const symbols = '0123456789ABCDEFGHJKLMNPQRTUWXY';
	if (!/^[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}$/.test(text)) return false;
	const sum = [...text].reduce((all, c, i) => all + symbols.indexOf(c) * (i === 17 ? 1 : 3 ** i % 31), 0);
	return sum % 31 === 0;
}

/* Formats of our own. One that is neither here nor in ajv-formats is an error when the contracts are read, never ignored. */
const FORMATS = {
	'public-code': { type: 'string', validate: isPublicCode },
	'phone-cn': { type: 'string', validate: (text) => /^1[3-9][0-9]{9}$/.test(text) },
	uscc: { type: 'string', validate: isUscc },
	'decimal-int64': { type: 'string', validate: (text) => /^(?:0|-?[1-9][0-9]{0,18})$/.test(text) },
	base64: { type: 'string', validate: (text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text) },
	base64url: { type: 'string', validate: (text) => /^[A-Za-z0-9_-]*$/.test(text) },
};

const baseOf = (file) => `https://contracts.invalid/${file}`;

export class Schemas {
	#compiled = new Map();

	constructor(contracts) {
		this.contracts = contracts;
		this.ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
		addFormats(this.ajv);
		for (const [name, format] of Object.entries(FORMATS)) this.ajv.addFormat(name, format);
		this.#refuseUnknownFormats();
		for (const [file, document] of contracts.documents) this.ajv.addSchema({ $id: baseOf(file), ...document });
	}

	/** Validator of the schema at a place of a contract: errors as [{instancePath, message, …}], empty when valid. */
	validator({ file, pointer }) {
		const ref = `${baseOf(file)}#${encodeURI(pointer)}`;
		if (!this.#compiled.has(ref)) this.#compiled.set(ref, this.ajv.compile({ $ref: ref }));
		const validate = this.#compiled.get(ref);
		return (value) => (validate(value) ? [] : structuredClone(validate.errors));
	}

	/** Everything that is wrong with an answer to an operation, as texts. HEAD answers have no body to look at. */
	checkAnswer(operation, answer, { head = false } = {}) {
		const response = responseOf(operation, answer.status);
		if (!response) return [`status ${answer.status} is not documented for ${operation.id}`];
		const faults = [];
		for (const name of Object.keys(response.node.headers ?? {})) {
			const header = this.contracts.resolve(this.contracts.child(response, 'headers', name)).node;
			if (header.required && answer.headers[name.toLowerCase()] === undefined) faults.push(`header ${name} is missing`);
		}
		const types = Object.keys(response.node.content ?? {}).map((type) => type.split(';')[0]);
		const given = (answer.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
		if (types.length === 0) {
			if (answer.raw.length) faults.push(`a body of ${answer.raw.length} bytes, none is documented`);
			return faults;
		}
		if (!types.includes(given)) return [...faults, `content-type "${given}" is not ${types.join(' or ')}`];
		if (!head && given.endsWith('json')) faults.push(...this.#checkBody(response, given, answer));
		return faults;
	}

	#checkBody(response, type, answer) {
		if (answer.json === undefined) return ['the body is not JSON'];
		const place = this.contracts.child(response, 'content', type, 'schema');
		if (place.node === undefined) return [];
		return this.validator(place)(answer.json).map((error) => `body${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`);
	}

	#refuseUnknownFormats() {
		const unknown = new Set();
		const walk = (node) => {
			if (!node || typeof node !== 'object') return;
			if (typeof node.format === 'string' && (node.type !== undefined) && !(node.format in this.ajv.formats)) unknown.add(node.format);
			Object.values(node).forEach(walk);
		};
		this.contracts.documents.forEach(walk);
		if (unknown.size) throw new Error(`formats that tests/support/schema.mjs does not know: ${[...unknown].join(', ')}`);
	}
}

/** What is wrong with a problem answer beyond its schema. */
export function checkProblem(answer, slug, language = 'zh') {
	const faults = [];
	const type = answer.headers['content-type'] ?? '';
	if (!/^application\/problem\+json\b/.test(type)) faults.push(`content-type "${type}" is not application/problem+json`);
	const problem = answer.json;
	if (!problem) return [...faults, 'the body is not JSON'];
	if (slug && !String(problem.type).endsWith(`/${slug}`)) faults.push(`type "${problem.type}" does not end in /${slug}`);
	if (problem.status !== answer.status) faults.push(`status member ${problem.status} is not ${answer.status}`);
	if (!problem.code || !String(problem.type).endsWith(`/${problem.code}`)) faults.push(`code "${problem.code}" is not the end of type`);
	if (typeof problem.title !== 'string' || !problem.title) return [...faults, 'title is missing'];
	const chinese = /[\u4e00-\u9fff]/.test(problem.title);
	if (chinese !== (language === 'zh')) faults.push(`title "${problem.title}" is not in ${language}`);
	return faults;
}
