-- The requests of all rows, for wrk: wrk -s requests.lua <url> -- <kind> <seed> <gifts or campaigns> <token or ->
-- Heads are put together by hand: wrk.format costs more than the rest of the generator.
local kind, seed, many, token, path
local random, format = math.random, string.format
local count = 0

local function head(method, target, more)
	return method .. " " .. target .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. token .. (more or "") .. "\r\n"
end

-- The codes of data.sql: digits only, with a valid check symbol, so that pgbench can compute them too.
local function gifts(rest)
	local front, back = "GET /v1/public/gifts/", rest .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. token .. "\r\n"
	return function()
		local i = random(0, many - 1)
		return front .. format("%.0f", 5000000120000000 + i * 1000000000 + (999999 - i) * 10) .. back
	end
end

local makers = {
	constant = function()
		local text = head("GET", path)
		return function() return text end
	end,
	gift = function() return gifts("") end,
	proof = function() return gifts("/proof") end,
	page = function()
		local front, back = "GET /v1/campaigns/0197f3a0-0000-7000-8000-1000000", "/gifts?limit=20 HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. token .. "\r\n"
		return function() return front .. format("%05d", random(0, many - 1)) .. back end
	end,
	-- One popular campaign; every request has a key of its own.
	write = function()
		local body = '{"campaign_id":"0197f3a0-0000-7000-8000-100000000000","amount_fen":8800,"channel":"BANK_TRANSFER"}'
		local front = "POST /v1/gifts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " .. #body
			.. "\r\n" .. token .. 'Idempotency-Key: "' .. format("%08x", seed) .. "-"
		local back = '"\r\n\r\n' .. body
		return function()
			count = count + 1
			return front .. count .. back
		end
	end,
}

function init(args)
	kind, seed, many = args[1], tonumber(args[2]), tonumber(args[3])
	token = args[4] == "-" and "" or "Authorization: Bearer " .. args[4] .. "\r\n"
	if args[5] then token = token .. args[5] .. "\r\n" end
	path = wrk.path
	math.randomseed(seed)
	request = makers[kind]()
end

function done(summary, latency)
	local e = summary.errors
	print(format('REPORT {"requests":%d,"microseconds":%d,"bytes":%d,"p99_us":%d,"p50_us":%d,"broken":%d,"refused":%d}', summary.requests,
		summary.duration, summary.bytes, latency:percentile(99), latency:percentile(50), e.connect + e.read + e.write + e.timeout, e.status))
end
