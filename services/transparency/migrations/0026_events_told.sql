-- Nothing that this service's role does by itself is an event: disclosures and the growth of the log are told by functions and triggers of
-- the owner. A forged `log.grown` would have stood as the log's size beside every public total.
revoke insert (type, subject, payload) on outbox from yg_transparency;
