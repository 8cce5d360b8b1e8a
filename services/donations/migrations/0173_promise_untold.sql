-- That a gift was promised is told to nobody: no service acts upon it, the public log has no leaf of it, and most of what a promise cost on a
-- day of disaster was this event (the row, its position, the stream, the reader that lays it aside). What is told is the payment. With it goes
-- the last event that the login role wrote itself.
revoke insert (type, subject, payload) on outbox from yg_donations;
drop trigger event_told on outbox;
drop function outbox_told;
