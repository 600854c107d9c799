-- The archive as a table for Athena; docs/archive.md tells what the columns mean. Put the name of the stack's ArchiveBucket
-- in the place of BUCKET. New days and hours are found by themselves:
-- https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
CREATE EXTERNAL TABLE kairos_facts (
  v int,
  `user` string,
  revision bigint,
  `number` int,
  fact string,
  at bigint,
  outcome string,
  input string,
  `from` string,
  play string,
  playbook string,
  message string,
  delivery string,
  channel string,
  due_at bigint,
  `until` bigint,
  `group` string,
  split string,
  variant string,
  `after` bigint,
  sent boolean,
  value bigint,
  at_most int,
  per bigint,
  late_by bigint,
  `by` string,
  segment string,
  entered boolean,
  facts int,
  currency string,
  who struct<source:string, campaign:string, device:string, region:string, segments:array<string>,
    variants:map<string,string>, play:string, since_first:bigint, since_message:bigint>,
  moment string,
  strength double,
  code string
)
PARTITIONED BY (day string, hour string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
LOCATION 's3://BUCKET/facts/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy-MM-dd',
  'projection.day.range' = '2026-01-01,NOW',
  'projection.hour.type' = 'integer',
  'projection.hour.range' = '0,23',
  'projection.hour.digits' = '2',
  'storage.location.template' = 's3://BUCKET/facts/day=${day}/hour=${hour}/'
);
