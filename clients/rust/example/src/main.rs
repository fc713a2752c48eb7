//! Creates, lists, updates and deletes rooms.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, iter};

use rooms_gateway_client::tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use rooms_gateway_client::tonic::{Code, ConnectError, Request, Response, Status, TimeoutExpired};
use rooms_gateway_client::tonic_types::StatusExt;
use rooms_gateway_client::v1::*;
use tokio::time::sleep;
use uuid::Uuid;

type Rooms = rooms_service_client::RoomsServiceClient<Channel>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let target = arguments.next().ok_or("usage: example TARGET [CA_FILE]")?;
    let rooms = Rooms::new(connect(&target, arguments.next())?);
    let timeout = Duration::from_secs(10);

    let request = CreateRoomRequest {
        request_id: Uuid::new_v4().to_string(),
        valid_until: Some((SystemTime::now() + Duration::from_secs(3600)).into()),
        participants: vec![Participant {
            raw_id: format!("8:acs:{}_{}", Uuid::new_v4(), Uuid::new_v4()),
            role: ParticipantRole::Presenter.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let create = |mut rooms: Rooms, request| async move { rooms.create_room(request).await };
    let room = call(&rooms, timeout, request, create).await?.room.unwrap_or_default();
    println!("created {}", room.id);

    let request = ListRoomsRequest { max_pages: 1, ..Default::default() };
    let list = |mut rooms: Rooms, request| async move { rooms.list_rooms(request).await };
    let page = call(&rooms, timeout, request, list).await?.message().await?.unwrap_or_default();
    let others = rooms_after(&rooms, page.next_page_token).await?;
    println!("listed {} rooms", page.rooms.len() + others.len());

    let request = GetRoomRequest { room_id: "99400000000000000".into(), ..Default::default() };
    let get = |mut rooms: Rooms, request| async move { rooms.get_room(request).await };
    match call(&rooms, timeout, request, get).await {
        Err(error) if error.code() == Code::NotFound => println!("not found: {}", reason(&error)),
        result => println!("found {:?}", result?.room),
    }

    let room_id = room.id.clone();
    let request =
        UpdateRoomRequest { room_id, pstn_dial_out_enabled: Some(false), ..Default::default() };
    let update = |mut rooms: Rooms, request| async move { rooms.update_room(request).await };
    match call(&rooms, Duration::from_millis(500), request, update).await {
        Ok(_) => println!("updated"),
        Err(error) if error.code() == Code::DeadlineExceeded => println!("deadline exceeded"),
        Err(error) => return Err(error.into()),
    }

    let request = DeleteRoomRequest { room_id: room.id, allow_missing: true, ..Default::default() };
    let delete = |mut rooms: Rooms, request| async move { rooms.delete_room(request).await };
    call(&rooms, timeout, request, delete).await?;
    println!("deleted");
    Ok(())
}

fn connect(target: &str, ca_file: Option<String>) -> Result<Channel, Box<dyn Error>> {
    let endpoint = if target.starts_with("unix:") {
        Endpoint::from_shared(target.to_string())?
    } else if let Some(file) = ca_file {
        let ca = Certificate::from_pem(fs::read(file)?);
        let tls = ClientTlsConfig::new().ca_certificate(ca);
        Endpoint::from_shared(format!("https://{target}"))?.tls_config(tls)?
    } else {
        Endpoint::from_shared(format!("http://{target}"))?
    };
    Ok(endpoint.http2_keep_alive_interval(Duration::from_secs(30)).connect_lazy())
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

/// Returns the rooms on all pages from a page token to the end.
async fn rooms_after(rooms: &Rooms, mut page_token: String) -> Result<Vec<Room>, Status> {
    let (mut found, mut attempts) = (vec![], 0);
    while !page_token.is_empty() {
        attempts += 1;
        let request = ListRoomsRequest { page_token: page_token.clone(), ..Default::default() };
        let list = |mut rooms: Rooms, request| async move { rooms.list_rooms(request).await };
        let mut pages = call(rooms, Duration::from_secs(300), request, list).await?;
        while let Some(page) = match pages.message().await {
            Err(error) if may_retry(&error, attempts) => None,
            result => result?,
        } {
            found.extend(page.rooms);
            (page_token, attempts) = (page.next_page_token, 0);
        }
    }
    Ok(found)
}

fn reason(error: &Status) -> String {
    error.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}
