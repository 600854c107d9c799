//! What is recorded of users and deliveries, as tools read it.

use aws_sdk_dynamodb::Client;
use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::faults::fault;
use kairos_cloud::items::{Item, text, text_in};
use kairos_cloud::people::People;
use kairos_cloud::users::{UsersTable, read_item};
use kairos_engine::commit::StoredUser;
use kairos_engine::identifiers::{DeliveryId, UserKey};
use kairos_protocol::delivery::DeliveryRecord;
use kairos_protocol::port::Fault;

/// The tables of users, deliveries and addresses, to read only.
#[derive(Clone, Debug)]
pub struct Records {
    client: Client,
    users: String,
    deliveries: String,
    addresses: String,
}

impl Records {
    /// Reads these tables.
    pub fn new(client: Client, users: String, deliveries: String, addresses: String) -> Self {
        Self { client, users, deliveries, addresses }
    }

    /// The table of users, with its index of alarms.
    pub fn users(&self) -> UsersTable {
        UsersTable::new(self.client.clone(), self.users.clone())
    }

    /// Users by what a person knows of them.
    pub fn people(&self) -> People {
        People::new(self.users(), AddressesTable::new(self.client.clone(), self.addresses.clone()))
    }

    /// What became of a delivery; none when it was not taken up yet, or was forgotten.
    ///
    /// # Errors
    /// When DynamoDB fails or the record is damaged.
    pub async fn delivery(&self, delivery: DeliveryId) -> Result<Option<DeliveryRecord>, Fault> {
        let request = self
            .client
            .get_item()
            .table_name(&self.deliveries)
            .key("delivery", text(delivery.to_string()))
            .consistent_read(true);
        let answer = request.send().await.map_err(|error| fault("DeliveriesTable GetItem", &error))?;
        answer.item.as_ref().map(read_delivery).transpose()
    }

    /// Every delivery. Reads the whole table: for the local engine.
    ///
    /// # Errors
    /// When DynamoDB fails or a record is damaged.
    pub async fn all_deliveries(&self) -> Result<Vec<DeliveryRecord>, Fault> {
        self.scan(&self.deliveries).await?.iter().map(read_delivery).collect()
    }

    /// Every user. Reads the whole table: for the local engine.
    ///
    /// # Errors
    /// When DynamoDB fails or an item is damaged.
    pub async fn all_users(&self) -> Result<Vec<(UserKey, StoredUser)>, Fault> {
        let read = |item| {
            let (user, stored) = read_item(item)?;
            Ok((user, stored?))
        };
        self.scan(&self.users).await?.into_iter().map(read).collect()
    }

    async fn scan(&self, table: &str) -> Result<Vec<Item>, Fault> {
        let pages = self.client.scan().table_name(table).consistent_read(true).into_paginator();
        let items = pages.items().send().collect::<Result<Vec<_>, _>>().await;
        items.map_err(|error| fault("Scan", &error))
    }
}

fn read_delivery(item: &Item) -> Result<DeliveryRecord, Fault> {
    let damaged = |why: String| Fault::Permanent { what: "reading a delivery record", why };
    let record = text_in(item, "record").ok_or_else(|| damaged("it has no `record`".into()))?;
    DeliveryRecord::from_json(record).map_err(|error| damaged(error.to_string()))
}
