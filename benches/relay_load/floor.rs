//! What a relay on tokio-tungstenite costs at least: it knows connections by a name and forwards bytes.
//!
//! The first message of a connection is its name. Every other one begins with a byte and a name of that length, and
//! what follows goes to whoever has that name.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, RwLock},
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, UnboundedSender},
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    connection::Connection,
    system::{End, SIZE},
    websocket::{self, BINARY},
};

type Names = Arc<RwLock<HashMap<Vec<u8>, UnboundedSender<Message>>>>;

pub(crate) async fn serve(buffer: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let names = Names::default();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        #[expect(clippy::disallowed_methods, reason = "lives as long as the process")]
        tokio::spawn(connection(stream, Arc::clone(&names), buffer));
    }
}

async fn connection(stream: TcpStream, names: Names, buffer: usize) -> Option<()> {
    let config = WebSocketConfig::default().read_buffer_size(buffer);
    let socket = accept_async_with_config(stream, Some(config)).await.ok()?;
    let (mut sink, mut stream) = socket.split();
    let name = stream.next().await?.ok()?.into_data().to_vec();
    let (sender, mut queue) = mpsc::unbounded_channel();
    names.write().unwrap().insert(name, sender);
    #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            sink.feed(message).await.ok()?;
            while let Ok(message) = queue.try_recv() {
                sink.feed(message).await.ok()?;
            }
            sink.flush().await.ok()?;
        }
        Some(())
    });
    let mut last: Option<(Vec<u8>, UnboundedSender<Message>)> = None;
    while let Some(Ok(message)) = stream.next().await {
        let data = message.into_data();
        let (&len, rest) = data.split_first()?;
        let name = rest.get(..usize::from(len))?;
        if last.as_ref().is_none_or(|(known, _)| known != name) {
            let sender = names.read().unwrap().get(name).cloned();
            last = sender.map(|sender| (name.to_vec(), sender));
        }
        let (_, sender) = last.as_ref()?;
        sender.send(Message::binary(data.slice(1 + usize::from(len)..))).ok()?;
    }
    Some(())
}

pub(crate) fn pair(addr: SocketAddr) -> [End; 2] {
    // As long as an AMID.
    let names = ["a", "b"].map(|name| name.repeat(27));
    let ends = [0, 1].map(|own: usize| {
        let connection = connect(addr, &names[own]);
        let other = &names[1 - own];
        let length = [u8::try_from(other.len()).unwrap()];
        let content = [&length[..], other.as_bytes(), &[b'x'; SIZE]].concat();
        End::new(connection, websocket::frame(BINARY, &content))
    });
    // Until both names are known.
    std::thread::sleep(std::time::Duration::from_millis(50));
    ends
}

pub(crate) fn connect(addr: SocketAddr, name: &str) -> Connection {
    let mut connection = websocket::connect(addr);
    connection.write(&websocket::frame(BINARY, name.as_bytes()));
    connection
}
