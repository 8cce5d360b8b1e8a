-- shape: none
-- tx: write
select case when not signature_nonce_claim(decode(:body.digest::text, 'hex')) then 'signature-replayed' end as "!problem"
