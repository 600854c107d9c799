//! What pages about people and messages read: users, deliveries, the archive, what was refused.

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_types::SdkConfig;
use kairos_cloud::addresses::AddressesTable;
use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::catalogue::CatalogueTable;
use kairos_cloud::deliveries::DeliveriesTable;
use kairos_cloud::environment::{MissingSetting, required};
use kairos_cloud::people::People;
use kairos_cloud::refusals::RefusalsTable;
use kairos_cloud::users::UsersTable;

/// The tables and the bucket.
#[derive(Clone, Debug)]
pub struct Records {
    /// Users by what is known of them.
    pub people: People,
    /// The users themselves, with their index of alarms.
    pub users: UsersTable,
    /// What became of each message.
    pub deliveries: DeliveriesTable,
    /// What happened.
    pub archive: ArchiveBucket,
    /// What was not taken.
    pub refusals: RefusalsTable,
    /// The shop's products.
    pub catalogue: CatalogueTable,
}

impl Records {
    /// Those of the environment (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment(config: &SdkConfig) -> Result<Self, MissingSetting> {
        let tables = DynamoDb::new(config);
        let users = UsersTable::new(tables.clone(), required("USERS_TABLE")?);
        let addresses = AddressesTable::new(tables.clone(), required("ADDRESSES_TABLE")?);
        Ok(Self {
            people: People::new(users.clone(), addresses),
            users,
            deliveries: DeliveriesTable::new(tables.clone(), required("DELIVERIES_TABLE")?),
            archive: ArchiveBucket::new(config, required("ARCHIVE_BUCKET")?),
            refusals: RefusalsTable::new(tables.clone(), required("REFUSALS_TABLE")?),
            catalogue: CatalogueTable::new(tables, required("CATALOGUE_TABLE")?),
        })
    }
}
