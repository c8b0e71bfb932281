# shellcheck shell=bash
# Leaves nothing running, however the demo ends. Sourced last of the parts.
SECONDS=$((EPOCHSECONDS - ${ZDM_STARTED:-$EPOCHSECONDS}))

end_everything() {
    local code=$?
    trap - EXIT
    stop_sampling
    [ ${#APPS[@]} = 0 ] || stop_app "${APPS[@]}"
    stop_server >/dev/null 2>&1 || true
    exit "$code"
}
trap end_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
