// TLS as the proxy speaks it: to servers as any client does, and to commands as the hosts whose requests it puts secrets into.
//
// For that it has an authority of its own, whose key is made anew each time, stays in memory and signs for nobody but
// commands in boxes: they alone are told to trust it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/host_rules.hpp"
#include "egress/socket.hpp"

struct ssl_st;
struct ssl_ctx_st;
struct evp_pkey_st;
struct x509_st;

namespace joey::egress {

struct OpenSslDelete {
  void operator()(ssl_st* ssl) const;
  void operator()(ssl_ctx_st* context) const;
  void operator()(evp_pkey_st* key) const;
  void operator()(x509_st* certificate) const;
};
template <class T>
using OpenSslOwned = std::unique_ptr<T, OpenSslDelete>;

// TLS over a socket, whose descriptor it leaves to the socket. Loop thread only.
//
// Reading with a buffer of `record_size` leaves nothing in here that the socket would not tell of.
class TlsStream {
 public:
  static constexpr std::size_t record_size = std::size_t{16} << 10;

  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream();

  // Whether it is done; if not, it waits. The error says what is wrong with the other side, or its certificate.
  [[nodiscard]] Result<bool> shake_hands();
  // As those of a socket. An end that the other side did not announce is a failure, as it may have been cut off.
  [[nodiscard]] Socket::Transfer read(char* buffer, std::size_t size);
  [[nodiscard]] Socket::Transfer write(std::string_view bytes);
  // Whether the announcement is out; if not, it waits.
  bool end_writing();

  // What the last thing that waited waits for.
  [[nodiscard]] bool waits_to_read() const { return waits_to_read_; }
  [[nodiscard]] bool waits_to_write() const { return waits_to_write_; }

 private:
  friend class Tls;
  struct Wire;
  TlsStream(OpenSslOwned<ssl_st> ssl, std::unique_ptr<Wire> wire);
  [[nodiscard]] Socket::Transfer transfer(int result, std::size_t size);
  void note_wait(int error);

  std::unique_ptr<Wire> wire_;
  OpenSslOwned<ssl_st> ssl_;
  bool waits_to_read_{false};
  bool waits_to_write_{false};
};

// Loop thread, except for being made.
class Tls {
 public:
  // `trusted` are certificates in PEM: servers must have one that they vouch for. Takes some milliseconds.
  [[nodiscard]] static Result<std::shared_ptr<const Tls>> make(std::string_view trusted);
  ~Tls();
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  [[nodiscard]] const std::string& authority() const { return authority_pem_; }  // its certificate, in PEM

  // TLS to `host`, and as `host`. The socket outlives it; `early` has been read from it already.
  [[nodiscard]] Result<std::unique_ptr<TlsStream>> connect(Socket& socket, const HostPort& host) const;
  [[nodiscard]] Result<std::unique_ptr<TlsStream>> accept(Socket& socket, const HostPort& host, std::string early) const;

 private:
  Tls() = default;
  [[nodiscard]] Result<OpenSslOwned<x509_st>> sign(const HostPort* host) const;

  OpenSslOwned<ssl_ctx_st> to_servers_;
  OpenSslOwned<ssl_ctx_st> to_commands_;
  OpenSslOwned<evp_pkey_st> authority_key_;
  OpenSslOwned<x509_st> authority_;
  std::string authority_pem_;
  OpenSslOwned<evp_pkey_st> host_key_;  // of all hosts
};

}  // namespace joey::egress
