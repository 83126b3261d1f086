//! Makes the ledger's table on a stand-in, as the adapter's `SCHEMA` says. Product code never makes one.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use mendlake_adapters::aws::ledger::SCHEMA;

/// Creates the table.
pub async fn create(client: &Client, name: &str) {
    let index = GlobalSecondaryIndex::builder()
        .index_name(SCHEMA.index)
        .key_schema(key(SCHEMA.index_partition_key, KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .expect("an index");
    let create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(string(SCHEMA.partition_key))
        .attribute_definitions(string(SCHEMA.sort_key))
        .attribute_definitions(string(SCHEMA.index_partition_key))
        .key_schema(key(SCHEMA.partition_key, KeyType::Hash))
        .key_schema(key(SCHEMA.sort_key, KeyType::Range))
        .global_secondary_indexes(index);
    create.send().await.expect("create the table");
    let expiry = TimeToLiveSpecification::builder().enabled(true).attribute_name(SCHEMA.expires_at);
    let expiry = expiry.build().expect("a time to live");
    let set = client.update_time_to_live().table_name(name).time_to_live_specification(expiry);
    set.send().await.expect("set the time to live");
}

/// Creates a table with keys of other names.
pub async fn create_another(client: &Client, name: &str) {
    let create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(string("id"))
        .key_schema(key("id", KeyType::Hash));
    create.send().await.expect("create the table");
}

fn string(name: &str) -> AttributeDefinition {
    let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    definition.build().expect("a definition")
}

fn key(name: &str, key_type: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(key_type).build().expect("a key")
}
