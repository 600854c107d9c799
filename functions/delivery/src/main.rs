//! `delivery`: claims, renders and sends what was decided, once. See the library.

use kairos_cloud::service;
use kairos_delivery::function::Delivery;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let delivery = Delivery::from_environment().await?;
    service::run(|event| delivery.handle(event)).await
}
