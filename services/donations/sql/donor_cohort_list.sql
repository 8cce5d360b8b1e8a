-- shape: one
-- tx: read
-- Donors of the unit and below by the month of their first gift.
select donor_cohorts(coalesce(to_date(:query.from::text, 'YYYY-MM'), (business_day() - interval '23 months')::date),
                     coalesce(to_date(:query.to::text, 'YYYY-MM'), business_day()), business_day()) as items, now() as as_of
