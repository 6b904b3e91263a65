-- citus: the calls that spread this schema over several machines. No step: run once by the administrator, by hand, on the
-- coordinator, after `nhjcctl db migrate` and before the first upload:
--     psql -v ON_ERROR_STOP=1 -f sql/citus.sql
-- Everything of one enterprise lies on one machine, so that an upload's transaction and a slice of the rollup are
-- transactions of one machine. README.md, Scale-out, says what is checked and what is not.
CREATE EXTENSION IF NOT EXISTS citus;

-- Reference tables: a copy on every machine. Small, read by everybody, changed seldom; foreign keys lead to them.
SELECT create_reference_table('destination');
SELECT create_reference_table('unit');
SELECT create_reference_table('platform');
SELECT create_reference_table('device');                 -- device_id is unique over all enterprises
SELECT create_reference_table('device_binding');
SELECT create_reference_table('base_data');
SELECT create_reference_table('measure_unit');
SELECT create_reference_table('energy_basis');
SELECT create_reference_table('energy_role');
SELECT create_reference_table('setting');                -- raw_from(), asked beside the marks

-- By enterprise. The first one gives the group, all others lie beside it.
SELECT create_distributed_table('collect_item', 'unit_id');
SELECT create_distributed_table('config_document', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('config_object', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('command', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('reading_frame', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('reported_frame', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('register_base', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('meter_replacement', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('correction', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('rollup_mark', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('rollup_hour', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('rollup_day', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('rollup_month', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('rollup_year', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('unit_coefficient', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('unit_energy_day', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('unit_energy_month', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('unit_consumption_month', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('restatement', 'unit_id', colocate_with => 'collect_item');
SELECT create_distributed_table('outbox', 'unit_id', colocate_with => 'collect_item');

-- By sender. The sender of a device's upload is its enterprise: the receipt lies beside the readings.
SELECT create_distributed_table('receipt', 'sender_id', colocate_with => 'collect_item');
SELECT create_distributed_table('upload', 'sender_id', colocate_with => 'collect_item');
SELECT create_distributed_table('upload_payload', 'sender_id', colocate_with => 'collect_item');
SELECT create_distributed_table('upload_finding', 'sender_id', colocate_with => 'collect_item');

-- These stay on the coordinator:
-- local: schema_step       the coordinator's own history
-- local: schema_replace    the same
-- local: fep_message       one forwarder per destination works on it, on the coordinator
-- local: audit_log         few rows, of all parties
-- local: upload_refused    senders that are not known have no id
-- local: certificate       asked by the operator's tools alone
