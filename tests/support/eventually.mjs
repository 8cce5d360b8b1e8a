// Waits for what happens on its own: asks again until the answer is truthy, or says what it waited for.

export async function eventually(ask, limitMs = 10000, everyMs = 50) {
	const end = Date.now() + limitMs;
	for (;;) {
		const value = await ask();
		if (value) return value;
		if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${ask.toString().slice(0, 200)}`);
		await new Promise((done) => { setTimeout(done, everyMs); });
	}
}
