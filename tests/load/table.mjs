// Prints: the table of medians, and one line per target.
const number = (value) => Math.round(value).toLocaleString('en-US');

const sum = (groups) => Object.values(groups).reduce((total, value) => total + value, 0);

function spent(groups) {
	const shown = Object.entries(groups).filter(([, value]) => value >= 0.05);
	return `${sum(groups).toFixed(1)} = ${shown.map(([name, value]) => `${name} ${value.toFixed(1)}`).join(' + ')}`;
}

function lines(row) {
	const [ours] = row.results;
	return row.results.map((r, i) => {
		const ratio = ours.rate / r.rate;
		const { target } = r.contestant;
		return [i ? '' : row.title, r.contestant.name, number(r.rate), `${number(r.least)}–${number(r.most)}`, i ? ratio.toFixed(2) : '', target ? `≥ ${target.toFixed(1)}` : '',
			target ? (ratio >= target ? 'met' : 'MISSED') : '', r.p99.toFixed(1), `${Math.round(r.busy * 100)} %`, i ? (sum(r.spent) / sum(ours.spent)).toFixed(2) : '', spent(r.spent)];
	});
}

export function printTable(measured) {
	const head = ['path', 'who', 'req/s', 'min–max', 'ours/peer', 'target', '', 'p99 ms', 'core 0', 'by CPU', 'CPU µs per request'];
	const cells = [head, ...measured.flatMap(lines)];
	const widths = head.map((_, column) => Math.max(...cells.map((line) => [...line[column]].length)));
	const right = new Set([2, 3, 4, 5, 7, 8, 9]);
	cells.forEach((line, i) => {
		const padded = line.map((text, column) => {
			const space = ' '.repeat(widths[column] - [...text].length);
			return right.has(column) ? space + text : text + space;
		});
		if (i && line[0]) console.log('');
		console.log(padded.join('  ').trimEnd());
	});
}

export function targetsOf(measured) {
	return measured.flatMap((row) => row.results.slice(1).filter((r) => r.contestant.target).map((r) => {
		const ratio = row.results[0].rate / r.rate;
		return { met: ratio >= r.contestant.target, text: `${row.title} against ${r.contestant.name}: ${ratio.toFixed(2)} (to reach: ${r.contestant.target.toFixed(1)})` };
	}));
}

export function printTargets(targets) {
	for (const { met, text } of targets) console.log(`${met ? 'met   ' : 'MISSED'}  ${text}`);
}
