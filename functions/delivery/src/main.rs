//! `delivery`: claims, renders and sends what was decided, once. See the library.

use kairos_delivery::function::Delivery;
use lambda_runtime::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let delivery = Delivery::from_environment().await?;
    lambda_runtime::run(service_fn(|event| delivery.handle(event))).await
}
