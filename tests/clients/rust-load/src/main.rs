//! Makes dry runs of CreateRoom through all TARGETs from 8 callers until standard input is closed,
//! and prints how many succeeded, and how many failed with each code: `load TARGET[,TARGET]...`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, iter, thread};

use rooms_gateway_client::debug::v1::DryRun;
use rooms_gateway_client::tonic::transport::{Channel, Endpoint};
use rooms_gateway_client::tonic::{Code, ConnectError, Request, Response, Status, TimeoutExpired};
use rooms_gateway_client::v1::{CreateRoomRequest, rooms_service_client};
use tokio::task::JoinSet;
use tokio::time::sleep;

const CALLERS: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(30);

type Rooms = rooms_service_client::RoomsServiceClient<Channel>;

/// Calls by code.
type Tally = BTreeMap<String, u64>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let targets: Vec<_> = env::args().skip(1).collect();
    let endpoints: Result<Vec<_>, _> = targets
        .join(",")
        .split(',')
        .map(|target| Endpoint::from_shared(format!("http://{target}")))
        .collect();
    let rooms = Rooms::new(Channel::balance_list(endpoints?.into_iter()));

    let ended = Arc::new(AtomicBool::new(false));
    let callers: JoinSet<Tally> = (0..CALLERS)
        .map(|_| call_until(ended.clone(), rooms.clone()))
        .collect();
    thread::spawn(move || {
        io::stdin().read_to_end(&mut Vec::new()).ok();
        ended.store(true, Ordering::Relaxed);
    });

    let mut failed = Tally::new();
    for (code, count) in callers.join_all().await.into_iter().flatten() {
        *failed.entry(code).or_default() += count;
    }
    let served = failed.remove("Ok").unwrap_or_default();
    println!(r#"{{"served": {served}, "failed": {failed:?}}}"#);
    Ok(())
}

async fn call_until(ended: Arc<AtomicBool>, rooms: Rooms) -> Tally {
    let mut tally = Tally::new();
    while !ended.load(Ordering::Relaxed) {
        let request = CreateRoomRequest {
            dry_run: Some(DryRun::default()),
            ..Default::default()
        };
        let create = |mut rooms: Rooms, request| async move { rooms.create_room(request).await };
        let code = call(&rooms, TIMEOUT, request, create)
            .await
            .map_or_else(|error| error.code(), |_| Code::Ok);
        *tally.entry(format!("{code:?}")).or_default() += 1;
    }
    tally
}

/// Makes a call: up to three attempts within `timeout`, more while no gateway accepts connections.
async fn call<Q: Clone, A, F: Future<Output = Result<Response<A>, Status>>>(
    rooms: &Rooms,
    timeout: Duration,
    message: Q,
    rpc: impl Fn(Rooms, Request<Q>) -> F,
) -> Result<A, Status> {
    let deadline = Instant::now() + timeout;
    let mut backoff = Duration::from_millis(100);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut request = Request::new(message.clone());
        request.set_timeout(deadline - Instant::now());
        match rpc(rooms.clone(), request).await {
            Ok(response) => return Ok(response.into_inner()),
            Err(error) if is_caused_by::<TimeoutExpired>(&error) => {
                return Err(Status::deadline_exceeded(error.message()));
            }
            Err(error) if !may_retry(&error, attempts) || Instant::now() + backoff > deadline => {
                return Err(error);
            }
            Err(_) => sleep(backoff).await,
        }
        backoff = (2 * backoff).min(Duration::from_secs(2));
    }
}

fn may_retry(error: &Status, attempts: u32) -> bool {
    // A status with a source is an error of the connection, not the response of a gateway.
    let transient =
        matches!(error.code(), Code::Unavailable | Code::Cancelled) || error.source().is_some();
    transient && attempts < 3 || is_caused_by::<ConnectError>(error)
}

fn is_caused_by<E: Error + 'static>(error: &Status) -> bool {
    iter::successors(error.source(), |&error| error.source()).any(|error| error.is::<E>())
}
