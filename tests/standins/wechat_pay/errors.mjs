// Errors as WeChat Pay v3 writes them, and the checks of single values that raise them.
// Codes the reference only knows from memory are marked [K] where they are raised: clients should branch on status before code.

export class ApiError extends Error {
	constructor(status, code, message, detail) {
		super(message);
		this.status = status;
		this.body = { code, message, ...(detail ? { detail } : {}) };
	}
}

export const paramError = (field, value, issue, location = 'body') =>
	new ApiError(400, 'PARAM_ERROR', `输入源“/${location}${field}”映射到字段规则校验失败，${issue}`, { location, value: value ?? null, field, issue });

export function string(object, name, { min = 1, max, pattern, required = true, at = '' }) {
	const value = object?.[name];
	if (value === undefined || value === null) {
		if (required) throw paramError(`${at}/${name}`, undefined, '此字段为必填项');
		return undefined;
	}
	if (typeof value !== 'string') throw paramError(`${at}/${name}`, value, '类型应为字符串');
	const length = [...value].length;
	if (length < min || length > max) throw paramError(`${at}/${name}`, value, `字符数 ${length} 不在 ${min} 到 ${max} 之间`);
	if (pattern && !pattern.test(value)) throw paramError(`${at}/${name}`, value, '含有不允许的字符');
	return value;
}

export function integer(object, name, { min, max = Number.MAX_SAFE_INTEGER, required = true, at = '' }) {
	const value = object?.[name];
	if (value === undefined || value === null) {
		if (required) throw paramError(`${at}/${name}`, undefined, '此字段为必填项');
		return undefined;
	}
	if (!Number.isSafeInteger(value)) throw paramError(`${at}/${name}`, value, '类型应为整数');
	if (value < min || value > max) throw paramError(`${at}/${name}`, value, `数值不在 ${min} 到 ${max} 之间`);
	return value;
}

export function object(parent, name, { required = true, at = '' } = {}) {
	const value = parent?.[name];
	if (value === undefined && !required) return undefined;
	if (value === undefined) throw paramError(`${at}/${name}`, undefined, '此字段为必填项');
	if (value === null || typeof value !== 'object' || Array.isArray(value)) throw paramError(`${at}/${name}`, value, '类型应为对象');
	return value;
}

/** An RFC 3339 time with offset, in milliseconds. */
export function time(parent, name, { required = true } = {}) {
	const value = string(parent, name, { max: 64, required });
	if (value === undefined) return undefined;
	const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) ? Date.parse(value) : NaN;
	if (Number.isNaN(at)) throw paramError(`/${name}`, value, '时间格式应为 RFC 3339');
	return at;
}

/** https, no query, no fragment, no port, a real host name: WeChat refuses the rest when the order is made. */
export function notifyUrl(parent, required) {
	const value = string(parent, 'notify_url', { max: 255, required });
	if (value === undefined) return undefined;
	const match = /^https:\/\/([^/?#]+)(\/[^?#]*)?$/.exec(value);
	if (!match || match[1].includes('@') || /[\s\\]/.test(value)) throw paramError('/notify_url', value, '应为不带参数的 https 地址');
	if (match[1].includes(':')) throw paramError('/notify_url', value, '不允许携带端口');
	return value;
}
