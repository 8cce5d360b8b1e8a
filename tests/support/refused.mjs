// A statement that the database has to refuse, and in which words.
import assert from 'node:assert/strict';

/** `session` is what Platform.session gave; `why` must be in what psql said. */
export const refusedFor = (session, why) => assert.rejects(session, (error) => why.test(error.stderr) || assert.fail(error.stderr || String(error)));
