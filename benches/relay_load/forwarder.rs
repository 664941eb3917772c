//! A relay of 0.2 as one writes it first: parse the JSON, look the name up, put a new JSON frame on the recipient's
//! channel, write and flush frames one by one.
//!
//! Stands for the deployed relay, which is built like this and cannot be run here. It does less than that: no
//! signature, no rate, no store.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use agentmesh_core::wire::{
    relay_features::Features,
    relay_frame::{ClientFrame, ReceiveFrame, SendFrame, ServerFrame},
};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Sender},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::agentmesh;

type Names = Arc<RwLock<HashMap<String, Sender<Message>>>>;

pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let names = Names::default();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        #[expect(clippy::disallowed_methods, reason = "lives as long as the process")]
        tokio::spawn(connection(stream, Arc::clone(&names)));
    }
}

async fn connection(stream: TcpStream, names: Names) -> Option<()> {
    let (mut sink, mut stream) = accept_async(stream).await.ok()?.split();
    let first = stream.next().await?.ok()?;
    let ClientFrame::Connect(connect) = ClientFrame::parse(first.to_text().ok()?).ok()? else {
        return None;
    };
    let own = connect.amid;
    let (sender, mut queue) = mpsc::channel(256);
    names.write().unwrap().insert(own.clone(), sender);
    let connected = ServerFrame::Connected {
        session_id: String::new(),
        pending_messages: 0,
        features: Features::NONE,
    };
    sink.send(Message::text(connected.to_json())).await.ok()?;
    #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            sink.send(message).await.ok()?;
        }
        Some(())
    });
    while let Some(Ok(message)) = stream.next().await {
        let Ok(ClientFrame::Send(frame)) = ClientFrame::parse(message.to_text().ok()?) else {
            continue;
        };
        let SendFrame { to, encrypted_payload, message_type, ice_candidates, .. } = frame;
        let recipient = names.read().unwrap().get(&to).cloned();
        let receive = ServerFrame::Receive(ReceiveFrame {
            from: own.clone(),
            encrypted_payload,
            message_type,
            timestamp: agentmesh::now().to_rfc3339_millis(),
            ice_candidates,
            message_id: None,
        });
        if let Some(recipient) = recipient {
            recipient.send(Message::text(receive.to_json())).await.ok()?;
        }
    }
    Some(())
}
