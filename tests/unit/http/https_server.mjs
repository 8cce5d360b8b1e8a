// An HTTPS server for test_outbound: prints its port, answers by path. Arguments: key file, certificate file.
import { readFileSync } from 'node:fs';
import https from 'node:https';

const server = https.createServer({ key: readFileSync(process.argv[2]), cert: readFileSync(process.argv[3]) }, (req, res) => {
	const chunks = [];
	req.on('data', (c) => chunks.push(c));
	req.on('end', () => {
		const body = Buffer.concat(chunks);
		if (req.url === '/silent') return;
		if (req.url === '/cut') { res.writeHead(200, { 'content-length': 100 }); res.write('x'); setTimeout(() => res.destroy(), 20); return; }
		if (req.url === '/redirect') { res.writeHead(302, { location: '/echo' }); res.end(); return; }
		if (req.url === '/big') { res.end(Buffer.alloc(200000, 'b')); return; }
		if (req.url === '/error') { res.statusCode = 503; res.end('no'); return; }
		res.setHeader('X-Seen', `${req.headers['x-test'] ?? '-'} ${req.headers.expect ?? 'no-expect'} ${req.headers['x-empty'] ?? 'none'}`);
		res.end(`${req.method} ${req.url} ${body.length} ${body.subarray(0, 8)}`);
	});
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
