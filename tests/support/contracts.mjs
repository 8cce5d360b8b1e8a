// Reads proto/*.yaml as data for the tests: operations with their parameters, bodies and responses, $refs followed across files.
import fs from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];
const DEPTH_MAX = 32;

/** RFC 6901 */
export const escapePointer = (name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1');
const unescapePointer = (name) => decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');

export function at(document, pointer) {
	return pointer.split('/').slice(1).reduce((node, name) => node?.[unescapePointer(name)], document);
}

export class Contracts {
	constructor(dir) {
		this.documents = new Map();
		for (const file of fs.readdirSync(dir).filter((name) => name.endsWith('.yaml') && name !== 'policies.yaml').sort()) {
			this.documents.set(file, YAML.parse(fs.readFileSync(path.join(dir, file), 'utf8')));
		}
		this.operations = [...this.documents].flatMap(([file, document]) => this.#operationsOf(file, document));
		this.byId = new Map();
		for (const operation of this.operations) {
			if (this.byId.has(operation.id)) throw new Error(`operationId ${operation.id} is there twice`);
			this.byId.set(operation.id, operation);
		}
	}

	/** Follows $ref from a node of `file`; gives {node, file, pointer} of what is really there. */
	resolve({ node, file, pointer }) {
		for (let depth = 0; node && typeof node === 'object' && node.$ref; depth++) {
			if (depth > DEPTH_MAX) throw new Error(`${file}${pointer}: $ref goes round in circles`);
			const [name, fragment = ''] = node.$ref.split('#');
			file = name ? path.posix.basename(name) : file;
			const target = at(this.documents.get(file), fragment);
			if (target === undefined) throw new Error(`${node.$ref} (from ${pointer}) is not there`);
			node = target;
			pointer = fragment;
		}
		return { node, file, pointer };
	}

	child(place, ...names) {
		return names.reduce((found, name) => {
			const whole = this.resolve(found);
			return { node: whole.node?.[name], file: whole.file, pointer: `${whole.pointer}/${escapePointer(name)}` };
		}, place);
	}

	/** Operations of one path, whatever service they are of. */
	methodsOf(pathTemplate) {
		const shape = (text) => text.replace(/\{[^}]*\}/g, '{}');
		return this.operations.filter((operation) => shape(operation.path) === shape(pathTemplate)).map((operation) => operation.method);
	}

	#operationsOf(file, document) {
		const found = [];
		for (const [template, item] of Object.entries(document.paths ?? {})) {
			for (const method of METHODS.filter((name) => item[name])) {
				const place = { node: item[method], file, pointer: `/paths/${escapePointer(template)}/${method}` };
				if (item[method].operationId) found.push(this.#operation(file, document, template, item, method, place));
			}
		}
		return found;
	}

	#operation(file, document, template, item, method, place) {
		const { node } = place;
		const list = (holder, pointer) => (holder.parameters ?? []).map((one, i) => this.resolve({ node: one, file, pointer: `${pointer}/parameters/${i}` }));
		const security = node.security ?? document.security ?? [];
		const body = node.requestBody && this.resolve(this.child(place, 'requestBody'));
		const bodyType = body && Object.keys(body.node.content ?? {})[0];
		return {
			id: node.operationId,
			service: file.split('.')[0],
			method: method.toUpperCase(),
			path: template,
			node,
			parameters: [...list(item, place.pointer.replace(/\/[^/]*$/, '')), ...list(node, place.pointer)],
			access: node['x-access'] ?? (node.security?.length === 0 ? 'public' : 'token'),
			scopes: [...new Set(node['x-scopes'] ?? security.flatMap((s) => Object.values(s).flat()))],
			idempotency: node['x-idempotency'] ?? 'none',
			bodyType,
			bodyRequired: body?.node.required === true,
			bodySchema: bodyType && this.child(body, 'content', bodyType, 'schema'),
			bodyBytesMax: node['x-body-bytes-max'] ?? 65536,
			responses: new Map(Object.keys(node.responses ?? {}).map((status) => [status, this.resolve(this.child(place, 'responses', status))])),
		};
	}
}

/** The documented response for a status: the exact one, then its class, then default. */
export function responseOf(operation, status) {
	const { responses } = operation;
	return responses.get(String(status)) ?? responses.get(`${String(status)[0]}XX`) ?? responses.get('default');
}
