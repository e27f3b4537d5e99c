/* joey.h is all that a C99 program includes. */
#include <joey/joey.h>

joey_status header_alone(void);
joey_status header_alone(void) {
  joey_engine_options engine = JOEY_ENGINE_OPTIONS_INIT;
  joey_session_options session = JOEY_SESSION_OPTIONS_INIT;
  joey_subscription_options subscription = JOEY_SUBSCRIPTION_OPTIONS_INIT;
  joey_tool_vtable tool = JOEY_TOOL_VTABLE_INIT;
  joey_provider_vtable provider = JOEY_PROVIDER_VTABLE_INIT;
  joey_transport_vtable transport = JOEY_TRANSPORT_VTABLE_INIT;
  joey_store_vtable store = JOEY_STORE_VTABLE_INIT;
  joey_clock_vtable clock = JOEY_CLOCK_VTABLE_INIT;
  return engine.struct_size && session.struct_size && subscription.struct_size && tool.struct_size && provider.struct_size &&
                 transport.struct_size && store.struct_size && clock.struct_size
             ? JOEY_OK
             : JOEY_ERR_INTERNAL;
}
