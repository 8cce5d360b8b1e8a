import assert from 'node:assert/strict';

/** The answer's JSON; it has this status, or the test fails and shows what was said. */
export const must = (answer, status = 200) => { assert.equal(answer.status, status, answer.text); return answer.json; };
