// SPDX-FileCopyrightText: 2026 genai.comfyui contributors
// SPDX-License-Identifier: GPL-3.0-or-later
const socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws")));
socket.addEventListener("message", (event) => {
  const { type, data } = JSON.parse(event.data);
  if (type === "status") {
    document.getElementById("queue").textContent = `queue: ${data.status.exec_info.queue_remaining}`;
  }
});
