//! Where Socket.IO ends and sessions begin: who may come in, which event goes where.

use std::{
    convert::Infallible,
    sync::{Arc, Weak},
    time::Duration,
};

use agentmesh_core::{
    client::platform::BoxFuture,
    services::user_data::{Name, NameKind},
};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::{
    SendError, SocketError, SocketIo,
    adapter::Adapter,
    extract::{Event, SocketRef, TryData},
    handler::{ConnectHandler, FromMessageParts, Value as Packet},
    socket::Socket,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{Realtime, registry::Inbox, session::Outlet};
use crate::signaling::query::Query;

/// How long events wait for a client that does not take them.
const SLOW: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(20);
/// The namespaces: the documents' own, and that which the documented address means to Socket.IO.
pub(super) const NAMESPACES: [&str; 2] = ["/", "/ws"];

/// What comes with a connect.
#[derive(Default, Deserialize)]
struct Auth {
    #[serde(default)]
    token: Option<String>,
}

/// Opens the namespaces.
pub(super) fn open(io: &SocketIo, realtime: &Weak<Realtime>) {
    for namespace in NAMESPACES {
        let realtime = realtime.clone();
        let admit = move |socket: SocketRef, TryData(auth): TryData<Option<Auth>>| {
            let realtime = realtime.clone();
            async move {
                let auth = auth.ok().flatten().unwrap_or_default();
                admit(&realtime, &socket, &auth)
            }
        };
        io.ns(namespace, connected.with(admit));
    }
}

/// Lets a client in, or says why not. Before the client is told that it is connected, so that its first events find
/// their session.
fn admit(realtime: &Weak<Realtime>, socket: &SocketRef, auth: &Auth) -> Result<(), String> {
    let realtime = realtime.upgrade().ok_or("The server is stopping")?;
    let query = Query::parse(socket.req_parts().uri.query().unwrap_or_default());
    let given = query.as_ref().and_then(|query| query.get("sessionId"));
    let id = match given {
        Some(id) => id.to_owned(),
        None if realtime.open => socket.id.to_string(),
        None => return Err("sessionId required".to_owned()),
    };
    let session = Name::new(NameKind::Session, &id).map_err(|error| error.to_string())?;
    if !realtime.may_enter(&session, auth.token.as_deref()) {
        return Err("Unauthorized".to_owned());
    }
    let (connected, ready) = watch::channel(false);
    let outlet = SocketOutlet { socket: socket.clone(), ready };
    let inbox = realtime
        .registry
        .attach(&session, Box::new(outlet))
        .map_err(|refused| refused.to_string())?;
    socket.extensions.insert(inbox.clone());
    socket.extensions.insert(Connected(Arc::new(connected)));
    socket.on_fallback(async |_: Queued| {});
    socket.on_disconnect(move || async move { inbox.detach().await });
    Ok(())
}

/// The client knows that it is in: now it can be told things.
async fn connected(socket: SocketRef) {
    if let Some(Connected(connected)) = socket.extensions.remove::<Connected>() {
        connected.send_replace(true);
    }
}

#[derive(Clone)]
struct Connected(Arc<watch::Sender<bool>>);

/// An event, put into its session's queue. Done while extracting, because handlers run in tasks of their own, and events
/// must keep their order.
struct Queued;

impl<A: Adapter> FromMessageParts<A> for Queued {
    type Error = Infallible;

    fn from_message_parts(
        socket: &Arc<Socket<A>>,
        packet: &mut Packet,
        ack: &Option<i64>,
    ) -> Result<Self, Infallible> {
        let Ok(Event(name)) = Event::from_message_parts(socket, packet, ack) else {
            return Ok(Self);
        };
        let Ok(TryData(value)) = TryData::<Value>::from_message_parts(socket, packet, ack);
        if let Some(inbox) = socket.extensions.get::<Inbox>()
            && !inbox.event(name, value.unwrap_or(Value::Null))
        {
            let _ = socket.emit("error", &json!({"message": "too many messages"}));
        }
        Ok(Self)
    }
}

/// A client behind a socket.
struct SocketOutlet {
    socket: SocketRef,
    ready: watch::Receiver<bool>,
}

impl Outlet for SocketOutlet {
    fn ready(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let ready = timeout(SLOW, self.ready.wait_for(|ready| *ready)).await;
            matches!(ready, Ok(Ok(_)))
        })
    }

    fn emit<'a>(&'a self, event: &'static str, data: &'a Value) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let began = Instant::now();
            loop {
                // An array would be several arguments, and no event has one.
                match self.socket.emit(event, data) {
                    Ok(()) => return true,
                    Err(SendError::Socket(SocketError::InternalChannelFull))
                        if began.elapsed() < SLOW =>
                    {
                        sleep(RETRY).await;
                    }
                    Err(_) => return false,
                }
            }
        })
    }

    fn ask(&self, event: &'static str, data: &Value) -> BoxFuture<'static, Option<Value>> {
        let asked = self.socket.emit_with_ack::<_, Value>(event, data);
        Box::pin(async move {
            match asked.ok()?.await {
                Ok(Value::Array(mut all)) if !all.is_empty() => Some(all.swap_remove(0)),
                Ok(answer) => Some(answer),
                Err(_) => None,
            }
        })
    }

    fn close(&self) {
        let _ = self.socket.clone().disconnect();
    }

    fn id(&self) -> String {
        self.socket.id.to_string()
    }
}
