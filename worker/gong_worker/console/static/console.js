// A page that loses its connection asks whether its session has ended, and leads to the login if so.
"use strict";
(() => {
  const check = async () => {
    try {
      const answer = await fetch("/session", { redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 403) location.assign("/login");
    } catch {
      // The console is away: the page goes on trying to connect.
    }
  };
  const wait = setInterval(() => {
    if (!window.socket) return;
    clearInterval(wait);
    window.socket.on("disconnect", check);
    window.socket.on("connect_error", check);
  }, 50);
})();
