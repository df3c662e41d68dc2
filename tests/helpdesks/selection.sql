-- The selection of carrier-outage as the adapters' words allow it: candidates first, messages one by one after.
WITH candidate AS MATERIALIZED (
  SELECT t.id, t.subject FROM mainstay.tickets t
  WHERE t.is_open AND t.created_key >= mainstay.key('2026-08-30 08:00Z'::timestamptz - interval '24 hours')
    AND NOT EXISTS (SELECT 1 FROM mainstay.ticket_tags g WHERE g.ticket_id = t.id AND g.tag LIKE 'incident:%'))
SELECT c.id FROM candidate c
  LEFT JOIN LATERAL (SELECT true AS found FROM mainstay.messages m WHERE m.ticket_id = c.id AND m.body ~* '\mups\M' LIMIT 1) b ON true
WHERE c.subject ~* '\mups\M' OR b.found
ORDER BY c.id
